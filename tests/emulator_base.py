"""A loopback server that plays a provider: routes, planned faults, a controllable clock, and a record of every request.

    with OpenAIEmulator() as emulator:            # in this process
        emulator.base_url, emulator.key
        emulator.fault("POST /fine_tuning/jobs", "drop")
        emulator.paid_jobs

    python tests/emulator_openai.py --port 0 --state state.json     # as a process of its own; prints its base URL

Alone it is told the same over HTTP: GET /__emulator__/state, POST /__emulator__/fault|tick|storm|set|reset.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import email.message
import email.parser
import email.policy
import json
import random
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from emulator_spec import description, readable

SPECS = Path(__file__).parent.parent.parent / "shared" / "specs"
CONTROL = "/__emulator__/"
KEY = "test-key-0123456789abcdef"
START = 1_795_305_600  # 2026-11-22 00:00 UTC; the emulators' clock moves one second per request


@dataclass
class Call:
    """One request as it arrived; ``params`` are the parts the route's template names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # only the first half of an uploaded file arrived

    @property
    def json(self) -> dict[str, Any]:
        value = readable(self.body)
        return value if isinstance(value, dict) else {}

    def form(self) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
        """Return the text fields and the files (name, bytes) of a multipart form."""
        raw = b"content-type: " + self.headers.get("content-type", "").encode() + b"\r\n\r\n" + self.body
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(raw)
        fields: dict[str, str] = {}
        files: dict[str, tuple[str, bytes]] = {}
        for part in message.iter_parts():
            assert isinstance(part, email.message.EmailMessage)
            name = str(part.get_param("name", header="content-disposition"))
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            if part.get_filename() is None:
                fields[name] = payload.decode()
            else:
                files[name] = (str(part.get_filename()), _first_half(payload) if self.cut else payload)
        return fields, files


@dataclass
class Reply:
    """What goes back: JSON unless ``body`` is bytes."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Fault:
    """A planned failure.

    ``kind``: "status" (answer ``status`` without doing anything), "close" (hang up without doing anything), "drop" (do
    it, then hang up without a reply), "reset" (do it, then reset the connection), "lost" (do it, then answer
    ``status``), "truncate" (do it, send half of the reply), "garble" (do it, reply with something that is not JSON),
    "stall" (do it, never reply), "drip" (do it, reply a byte now and then, for ever), "cut" (do it with the first half
    of the uploaded file's lines, and answer as if all had arrived).
    """

    route: str  # "POST /fine_tuning/jobs", or "*"
    kind: str
    skip: int = 0  # let this many matching requests through first
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None


Route = Callable[[Any, Call], Reply]


def route(method: str, template: str) -> Callable[[Route], Route]:
    """Mark a method of an emulator as the answer to ``method template`` (``{name}`` matches one path part)."""

    def mark(function: Route) -> Route:
        function.__dict__.setdefault("routes", []).append((method, template))
        return function

    return mark


class Emulator:
    """Base of the providers' emulators; a subclass marks its methods with ``route``."""

    description_file: ClassVar[str]
    prefix: ClassVar[str] = "/v1"  # what the paths below start with
    base_path: ClassVar[str] = "/v1"  # what the SDK's base URL ends with
    undescribed: ClassVar[frozenset[str]] = frozenset()  # routes that are not in the description

    def __init__(self, *, port: int = 0, state: Path | None = None, specs: Path | None = SPECS) -> None:
        self.key = KEY
        self.stall_s = 30.0  # how long a stalled reply is held back before the connection is closed
        self.advance_on_poll = True  # a job moves one stage whenever it is retrieved; else only on tick()
        self.violations: list[str] = []  # disagreements with the official description
        self.requests: list[str] = []  # "POST /files 200", in order
        self.arrivals: list[float] = []  # when each of them came, by time.monotonic
        self.validated = 0  # requests and replies that were compared with the description
        self.state: dict[str, Any] = {"clock": START, "count": 0, "paid": [], "files": {}, "jobs": {}}
        self._state_file = state
        if state is not None and state.exists():
            self.state = json.loads(state.read_text(encoding="utf-8"))
        self._description: Any = None  # or what answers like one
        if specs is not None and (specs / self.description_file).is_file():
            self._description = description(specs / self.description_file)
        self.spoil: Callable[[Call, Reply], Reply] | None = None  # what a test makes of a reply before it is sent
        self._faults: list[Fault] = []
        self._storm: tuple[float, random.Random, tuple[str, ...]] | None = None
        self._lock = threading.RLock()
        self._stalled = threading.Event()
        self._table = [
            (method, template.strip("/").split("/"), getattr(self, name))
            for name in dir(type(self))
            for method, template in getattr(getattr(type(self), name), "routes", ())
        ]
        # Literal paths before templated ones, so that /fine-tunes/preview is no job's id; and ID:verb before ID.
        self._table.sort(key=lambda row: (sum(p.startswith("{") for p in row[1]), sum(p.endswith("}") for p in row[1])))
        self._server = _Server(("127.0.0.1", port), _requests_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stalled.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        return self.origin + self.base_path

    @property
    def has_description(self) -> bool:
        return self._description is not None

    @property
    def paid_jobs(self) -> int:
        """How many jobs were created that cost money, cancelled ones included."""
        return len(self.state["paid"])

    def fault(self, where: str, kind: str, **details: Any) -> None:
        """Plan a failure at ``where``, a route such as "POST /files/{file_id}" or "*"; see Fault."""
        with self._lock:
            self._faults.append(Fault(where, kind, **details))

    def storm(self, rate: float, seed: int = 0, kinds: tuple[str, ...] = ("429", "500", "close")) -> None:
        """Let this share of all GET requests fail at random, as a status or as a kind of Fault ("stall", ...)."""
        self._storm = (rate, random.Random(seed), kinds)

    def tick(self, times: int = 1) -> None:
        """Move every job ``times`` stages on and the clock a minute per stage."""
        with self._lock:
            for _ in range(times):
                self.state["clock"] += 60
                for job in self.state["jobs"].values():
                    self.advance(job)

    def advance(self, job: dict[str, Any]) -> None:
        """Move one job one stage on."""
        raise NotImplementedError

    def authenticate(self, call: Call) -> Reply | None:
        """Return the provider's refusal unless the call carries the right key."""
        raise NotImplementedError

    def unknown(self, call: Call) -> Reply:
        return Reply(404, {"error": {"message": f"Unknown path {call.path}", "code": None}})

    def known_deviation(self, call: Call, body: object) -> object:
        """Return ``body``, asked or answered, without what is right in reality but against the description."""
        return body

    def new_id(self, start: str) -> str:
        self.state["count"] += 1
        return f"{start}{self.state['count']:08d}"

    @property
    def now(self) -> int:
        return int(self.state["clock"])

    # Everything below is the server's side.

    def answer(self, call: Call) -> tuple[Reply, Fault | None]:
        """Return the reply to one request, and the fault that will spoil it."""
        with self._lock:
            self.state["clock"] += 1
            inner = call.path.removeprefix(self.prefix) if call.path.startswith(self.prefix + "/") else call.path
            template, method = self._match(call, inner)
            fault = self._fault_at(f"{call.method} {template}") or self._weather(call)
            if fault is not None and fault.kind == "cut":
                form = call.headers.get("content-type", "").startswith("multipart/")
                call = replace(call, cut=True, body=call.body if form else _first_half(call.body))
            if fault is not None and fault.kind in ("status", "close"):
                reply = Reply(fault.status, fault.body or _PLAIN_ERROR, fault.headers)
            else:
                reply = self._played(call, method)
                self._compare(f"{call.method} {template}", call, inner, reply)
                if self._state_file is not None and call.method != "GET":
                    _write(self._state_file, self.state)
                if fault is not None and fault.kind == "lost":
                    reply = Reply(fault.status, fault.body or _PLAIN_ERROR, fault.headers)
                elif fault is not None and fault.kind == "garble":
                    reply = Reply(200, b"<html>upstream", {"content-type": "application/json"})
            if self.spoil is not None:
                reply = self.spoil(call, reply)
            if reply.headers.get("location") == "self":
                reply = replace(reply, headers=reply.headers | {"location": self.origin + call.path})
            spoiled = f" {fault.kind}" if fault else ""
            self.requests.append(f"{call.method} {template} {reply.status}{spoiled}")
            self.arrivals.append(time.monotonic())
            return reply, fault

    def _played(self, call: Call, method: Callable[[Call], Reply] | None) -> Reply:
        try:
            return self.authenticate(call) or (method(call) if method else self.unknown(call))
        except Exception:
            # A request the emulator cannot digest is a request the description would not allow either.
            self.violations.append(f"{call.method} {call.path}: {traceback.format_exc(limit=-2)}")
            return Reply(500, _PLAIN_ERROR)

    def control(self, call: Call) -> Reply:
        """Answer /__emulator__/...: the same knobs for an emulator that runs in another process."""
        what = call.path.removeprefix(CONTROL)
        if what == "fault":
            self.fault(call.json["where"], call.json["kind"], **call.json.get("details", {}))
        elif what == "tick":
            self.tick(int(call.json.get("times", 1)))
        elif what == "storm":
            kinds = tuple(call.json.get("kinds", ("429", "500", "close")))
            self.storm(float(call.json["rate"]), int(call.json.get("seed", 0)), kinds)
        elif what == "set":
            for name, value in call.json.items():
                setattr(self, name, value)
        elif what == "reset":
            self.state.update(count=0, paid=[], files={}, jobs={})
            self.requests.clear()
            self._faults.clear()
        return Reply(
            200,
            {
                "paid_jobs": self.paid_jobs,
                "paid": self.state["paid"],
                "jobs": list(self.state["jobs"].values()),
                "files": len(self.state["files"]),
                "trained_bytes": [
                    len(base64.b64decode(stored["content"]))
                    for job in self.state["jobs"].values()
                    for stored in self.state["files"].values()
                    if stored["id"] in json.dumps(job)
                ],
                "requests": self.requests,
                "violations": self.violations,
                "validated": self.validated,
                "faults": [asdict(fault) for fault in self._faults],
            },
        )

    def wait(self, seconds: float) -> None:
        """Wait, or until the emulator ends."""
        self._stalled.wait(seconds)

    def stall(self) -> None:
        """Hold a reply back until the client has certainly given up, or the emulator ends."""
        self._stalled.wait(self.stall_s)

    def _match(self, call: Call, inner: str) -> tuple[str, Callable[[Call], Reply] | None]:
        parts = inner.strip("/").split("/")
        for method, template, function in self._table:
            if method == call.method and _fits(template, parts):
                tail = len(template) - 1
                call.params = {
                    name.partition("}")[0].strip("{*"): unquote(
                        "/".join(parts[i:]) if i == tail and name.endswith("*}") else _without_verb(name, parts[i])
                    )
                    for i, name in enumerate(template)
                    if name.startswith("{")
                }
                return "/" + "/".join(template).replace("*}", "}"), function
        return inner, None

    def _fault_at(self, where: str) -> Fault | None:
        for fault in self._faults:
            if fault.route not in ("*", where):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
            return fault
        return None

    def _weather(self, call: Call) -> Fault | None:
        if self._storm is None or call.method != "GET" or self._storm[1].random() >= self._storm[0]:
            return None
        kind = self._storm[1].choice(self._storm[2])
        if not kind.isdigit():
            return Fault("*", kind)
        return Fault("*", "status", status=int(kind), headers={"retry-after": "1"} if kind == "429" else {})

    def _compare(self, where: str, call: Call, inner: str, reply: Reply) -> None:
        # A refused request may be wrong on purpose; only what the provider accepted must be right.
        if self._description is None or where in self.undescribed:
            return
        kind = call.headers.get("content-type", "")
        if reply.status < 400:
            if kind.startswith("multipart/"):
                fields, files = call.form()
                # In a form, OpenAPI writes objects as JSON.
                texts = {name: readable(text.encode()) if text[:1] == "{" else text for name, text in fields.items()}
                body: object = texts | {name: name_and_bytes[0] for name, name_and_bytes in files.items()}
            else:
                body = readable(call.body)
            self.validated += 1
            asked = self.known_deviation(call, body)
            self.violations += self._description.request_problems(call.method, inner, call.query, kind, asked)
        if not isinstance(reply.body, bytes):
            self.validated += 1
            sent = self.known_deviation(call, json.loads(reply.bytes()))
            self.violations += self._description.reply_problems(call.method, inner, reply.status, sent)


_PLAIN_ERROR = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": None}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def _requests_of(emulator: Emulator) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # the client died while it wrote: no request has arrived
                return self._hang_up()
            if self.headers.get("transfer-encoding") == "chunked":
                body = b"".join(_chunks(self.rfile))
            call = Call(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                body,
            )
            if call.path.startswith(CONTROL):
                return self._send(emulator.control(call))
            reply, fault = emulator.answer(call)
            if fault is not None and fault.kind == "stall":
                emulator.stall()
            if fault is not None and fault.kind == "drip":
                return self._drip()
            if fault is not None and fault.kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return None
            if fault is not None and fault.kind in ("close", "drop", "stall"):
                return self._hang_up()
            self._send(reply, half=fault is not None and fault.kind == "truncate")
            return None

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

        def _send(self, reply: Reply, half: bool = False) -> None:
            body = reply.bytes() if reply.status not in (204,) else b""
            self.send_response(reply.status)
            length = {"content-length": str(len(body))}  # a HEAD names that of a body it does not send
            for name, value in ({"content-type": "application/json"} | length | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if half else body)
            if half:
                self._hang_up()

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(int(emulator.stall_s / 0.1)):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    emulator.wait(0.1)
            return self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            """The test prints what matters."""

    return Connection


def _first_half(content: bytes) -> bytes:
    """Return the first half of the lines: what is left reads well, so that only its size gives it away."""
    return content[: content.rfind(b"\n", 0, len(content) // 2 + 1) + 1]


def _chunks(stream: Any) -> Iterator[bytes]:
    while size := int(stream.readline().split(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def _fits(template: list[str], parts: list[str]) -> bool:
    if template[-1].endswith("*}"):  # the last parameter may hold slashes, as model names do
        return len(parts) >= len(template) and _fits(template[:-1], parts[: len(template) - 1])
    return len(template) == len(parts) and all(
        name == part or (name.startswith("{") and part.endswith(_verb(name)))
        for name, part in zip(template, parts, strict=True)
    )


def _verb(name: str) -> str:
    """Return what follows the braces: ":upload" in "{dataset_id}:upload"."""
    return name.partition("}")[2]


def _without_verb(name: str, part: str) -> str:
    return part.removesuffix(_verb(name))


def _write(path: Path, state: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(path)


def run_standalone(kind: type[Emulator]) -> None:
    """Serve until terminated; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, help="keep jobs, files and the paid count here across restarts")
    parser.add_argument("--storm", type=float, default=0.0, help="share of GET requests that fail at random")
    parser.add_argument("--ticks-only", action="store_true", help="jobs advance on POST /__emulator__/tick alone")
    options = parser.parse_args()
    with kind(port=options.port, state=options.state) as emulator:
        emulator.advance_on_poll = not options.ticks_only
        if options.storm:
            emulator.storm(options.storm)
        print(emulator.base_url, flush=True)
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        stop.wait()
