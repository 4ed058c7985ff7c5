"""Logs: an event name and fields. JSON in production, coloured lines on a terminal."""

import logging
import sys
from typing import Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from runtime.settings import Settings

_SECRET: Final = frozenset({"password", "secret", "secret_key", "api_key", "authorization", "token", "cookie"})
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# without the values of local variables: they hold inputs, and what else is nobody's business
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)


def configure_logs(settings: Settings, *, process: str, stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error) as the settings say; what other libraries log passes at WARNING."""
    out = stream or sys.stderr
    level = _LEVELS[settings.log_level]
    as_console = (settings.log_format or ("console" if out.isatty() else "json")) == "console"
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Stamp(process),
        _redact,
    ]
    # plain: the pretty formatter takes seconds a traceback, and the loop stands still meanwhile
    renderer: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if as_console
        else [_TRACEBACKS, structlog.processors.JSONRenderer(serializer=_encode)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))


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


def _encode(fields: object, **_: object) -> str:
    return _ENCODER.encode(fields).decode()
