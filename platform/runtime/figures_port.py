"""The port of a process that has no other: `/metrics`, `/health/live` and `/health/ready`, from a thread of its own.

From a thread, so that it answers while the event loop does not turn, and can say so.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import MetricsHandler

from runtime.figures import ProcessFigures
from runtime.settings import Settings

_AGAIN_SECONDS: Final = 5.0
_SILENT_SECONDS: Final = 5.0  # after which whoever connected and says nothing is let go
_POLL_SECONDS: Final = 0.2

_LOG: Final = structlog.stdlib.get_logger(__name__)


@contextmanager
def told_on_a_port(settings: Settings, figures: ProcessFigures) -> Iterator[None]:
    """Tell the figures for as long as the block lasts, where a port is set.

    A port that is taken stops nobody from working: it is tried again until it is free.
    """
    if settings.metrics_port is None:
        yield
        return
    port = FiguresPort(settings.metrics_host, settings.metrics_port, figures)
    port.open()
    try:
        yield
    finally:
        port.close()


class FiguresPort:
    """Answers about one process."""

    def __init__(self, host: str, port: int, figures: ProcessFigures) -> None:
        self._address = (host, port)
        self._answers = type("Answers", (_Answers,), {"registry": figures.registry, "figures": figures})
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="figures", daemon=True)

    def open(self) -> None:
        """Answer from now on, or from when the port is free."""
        self._thread.start()

    def close(self) -> None:
        """Answer no longer."""
        self._closed.set()
        self._thread.join()

    def _serve(self) -> None:
        host, port = self._address
        is_told = False
        while not self._closed.is_set():
            try:
                server = _Server(self._address, self._answers)
            except OSError as error:
                if not is_told:
                    _LOG.error(
                        "metrics.not_listening", host=host, port=port, error=str(error), hint="it is tried again"
                    )
                is_told = True
                self._closed.wait(_AGAIN_SECONDS)
                continue
            with server:
                _LOG.info("metrics.listening", host=host, port=port)
                server.timeout = _POLL_SECONDS
                while not self._closed.is_set():
                    server.handle_request()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], answers: Any) -> None:  # noqa: ANN401 - a class made for one process
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, answers)

    def server_bind(self) -> None:
        # not the parent's own: it asks the name service what this machine is called, which may take long
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's signature
        if not isinstance(sys.exception(), OSError):  # who asked has gone
            _LOG.exception("metrics.failed")


class _Answers(MetricsHandler):
    figures: ProcessFigures
    timeout = _SILENT_SECONDS
    server_version = "headrace"
    sys_version = ""

    def do_GET(self) -> None:  # noqa: N802 - http.server's name for it
        match self.path.partition("?")[0]:
            case "/metrics":
                super().do_GET()
            case "/health/live":
                overdue = self.figures.overdue
                if overdue:
                    self._say(503, "stalled", overdue_seconds=overdue)
                else:
                    self._say(200, "live")
            case "/health/ready":
                if self.figures.is_ready and not self.figures.overdue:
                    self._say(200, "ready")
                else:
                    self._say(503, "unavailable")
            case _:
                self._say(404, "not_found")

    def _say(self, code: int, status: str, **more: object) -> None:
        body = msgspec.json.encode({"status": status, **more})
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
