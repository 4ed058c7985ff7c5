"""Logs: an event name and fields. JSON in production, coloured lines on a terminal. Nobody's personal data in them."""

import io
import logging
import sys
import threading
from types import TracebackType
from typing import Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from runtime.log_masks import FieldMask, masked_text
from runtime.settings import Settings

_SECRET: Final = frozenset({"password", "secret", "secret_key", "api_key", "authorization", "token", "cookie"})
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# without the values of local variables: they hold inputs, and what else is nobody's business
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)


def configure_logs(settings: Settings, *, process: str, stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error) as the settings say; what other libraries log passes at WARNING.

    What nothing catches is logged as well, and ends the process or the thread as ever.
    """
    out = stream or sys.stderr
    level = _LEVELS[settings.log_level]
    is_masked = settings.redact_logs == "on"
    as_console = (settings.log_format or ("console" if out.isatty() else "json")) == "console"
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Stamp(process),
        _redact,
    ]
    # plain: the pretty formatter takes seconds a traceback, and the loop stands still meanwhile
    tracebacks = _masked_traceback if is_masked else structlog.dev.plain_traceback
    rendered: list[structlog.types.Processor] = [] if as_console else [_TRACEBACKS]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=tracebacks)
        if as_console
        else structlog.processors.JSONRenderer(serializer=_encode)
    )
    own, foreign = ([FieldMask(foreign=one)] if is_masked else [] for one in (False, True))
    structlog.configure(
        processors=[*shared, *rendered, *own, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered, *foreign, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_of_thread


class _Stamp:
    """Names the process on every line."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
        fields["process"] = self._process
        return fields


def _redact(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    for name in fields.keys() & _SECRET:
        fields[name] = "[redacted]"
    return fields


def _masked_traceback(out: TextIO, raised: ExcInfo) -> None:
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, raised)
    out.write(masked_text(whole.getvalue()))


def _log_uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        structlog.get_logger().critical("process.failed", error=kind.__name__, exc_info=(kind, error, where))
    else:
        sys.__excepthook__(kind, error, where)


def _log_uncaught_of_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and issubclass(failed.exc_type, Exception):
        raised = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        name = failed.thread.name if failed.thread else None
        structlog.get_logger().critical("thread.failed", thread=name, exc_info=raised)


def _encode(fields: object, **_: object) -> str:
    return _ENCODER.encode(fields).decode()
