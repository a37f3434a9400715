"""Serves the classifier beside this file: python serve.py [PORT]. It needs scikit-learn and nothing else.

POST a text, or {"text": "..."}; the answer is {"label": "..."}. It listens on 127.0.0.1 alone: put it behind your own
server. The model is a pickle: load only one you wrote.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib

model = joblib.load(Path(__file__).with_name("classifier.joblib"))


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
        try:
            content = json.loads(body)
        except ValueError:
            content = body
        text = content.get("text", "") if isinstance(content, dict) else str(content)
        answer = json.dumps({"label": str(model.predict([text])[0])}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
