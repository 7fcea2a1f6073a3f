"""Structured logs: JSON lines, or coloured text on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor

from ingestor.runtime.observability.tracing import current_trace_id


def configure_logging(service: str, level: str = "INFO", log_format: str = "auto") -> None:
    """Send structlog and the standard library's logging to stderr.

    `log_format` is "json", "console" or "auto" (console when stderr is a terminal).
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without the values of variables, which may be tokens or cells.
    if console:
        plain = structlog.dev.plain_traceback
        render: list[Processor] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        render = [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Both log every request or connection at INFO, which is noise on a busy service.
    for noisy in ("botocore", "aiobotocore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def _add_trace_id(logger: object, method: str, event: EventDict) -> EventDict:
    if trace := current_trace_id():
        event.setdefault("trace_id", trace)
    return event
