"""Serves pages on loopback to whoever knows the secret in the address, and to nobody else."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from advisor.cli.render.report.outer import policy
from advisor.errors import AdvisorError, UsageError

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"{policy(live=True)}; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the secret is in the address
    "X-Content-Type-Options": "nosniff",
}
_PATIENCE_S = 30.0  # for a request to arrive


class Server(ThreadingHTTPServer):
    """``page`` returns the HTML at a path below the secret, such as ``run/tw-1122-7f3a9c01``, or None.

    Raises UsageError for a host that others can reach, AdvisorError where the port is taken.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, page: Callable[[str], str | None]) -> None:
        if not _is_loopback(host):
            raise UsageError(
                f"--host {host}: the page shows your runs to whoever reaches it, so it stays on this machine "
                "(127.0.0.1 or ::1); from another, forward the port: ssh -L PORT:127.0.0.1:PORT this-machine."
            )
        self.page = page
        self.secret = secrets.token_urlsafe(32)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise AdvisorError(f"Port {port} cannot be used ({error.strerror}); choose another with --port.") from error
        name = f"[{host}]" if ":" in host else host
        self.hosts = {f"{each}:{self.server_port}" for each in (name, "localhost")}
        self.address = f"http://{name}:{self.server_port}/{self.secret}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "tunewise", ""
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        # A name of another site that resolves to this machine (DNS rebinding) comes with that name.
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            self._send(HTTPStatus.FORBIDDEN, "This page is read at its own address only.")
            return
        secret, _, path = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not hmac.compare_digest(secret.encode(), self.server.secret.encode()):
            self._send(HTTPStatus.NOT_FOUND, "Nothing here.")
            return
        try:
            found = self.server.page(unquote(path))
        except AdvisorError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            return
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, "Nothing here.")
        else:
            self._send(HTTPStatus.OK, found, "text/html")

    def refuse(self) -> None:
        """Answer what is not GET."""
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, "This page is only read.")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = refuse

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line for each request would hold the secret."""

    def _send(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:  # the reader has gone
            self.close_connection = True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
