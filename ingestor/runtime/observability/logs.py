"""Structured logs: JSON lines, or coloured text on a terminal. No line has the values of variables, what can
be known for a password or a token, or more than 8 KiB."""

from __future__ import annotations

import io
import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from ingestor.runtime.observability.tracing import current_trace_id

MOST_BYTES = 8192  # of a line; on a terminal of an event, which may have several lines
_HEAD_BYTES = 2048  # of an event that is cut; the rest is its end, where a traceback says what is wrong
_MOST_CHARACTERS = 2000  # of a text in an event, 500 of a line of a traceback
_TRACEBACK_CHARACTERS = 500
_ALWAYS = ("event", "level", "logger", "service", "timestamp", "trace_id")
# The password of a URL, the secret of an API key, a signed token.
_SECRET = re.compile(
    r"(://[^\s:/@]*:)[^\s/@]+(?=@)|(\bing_[a-z0-9]{8}_)[\w-]{20,}|\b(eyJ[\w-]{4,}\.)[\w-]{4,}\.[\w-]*"
)


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
    render: list[Processor]
    if console:
        render = [_Text(structlog.dev.ConsoleRenderer(exception_formatter=_traceback))]
    else:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        render = [structlog.processors.ExceptionRenderer(frames), _Json()]
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


class _Text:
    """Lines for a terminal."""

    def __init__(self, renderer: structlog.dev.ConsoleRenderer) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:
        """The text of an event."""
        kept = {
            name: value if name == "exc_info" else _cut(value, _MOST_CHARACTERS)
            for name, value in event.items()
        }
        text = without_secrets(self._renderer(logger, method, kept))
        raw = text.encode("utf-8", "replace")
        if len(raw) <= MOST_BYTES:
            return text
        note = f" … {len(raw):,} bytes, cut … ".encode()
        tail = MOST_BYTES - _HEAD_BYTES - len(note)
        return (raw[:_HEAD_BYTES] + note + raw[-tail:]).decode("utf-8", "ignore")


class _Json:
    """One line of JSON."""

    def __init__(self) -> None:
        self._renderer = structlog.processors.JSONRenderer()

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:
        """The line of an event, with the more cut the longer it would be."""
        line, kept = "", event
        for characters in (_MOST_CHARACTERS, 500, 100, 30):
            kept = {name: _cut(value, characters) for name, value in event.items()}
            line = self._render(logger, method, kept)
            if len(line) <= MOST_BYTES:
                return line
        return self._render(logger, method, {name: kept[name] for name in _ALWAYS if name in kept})

    def _render(self, logger: Any, method: str, event: EventDict) -> str:
        """JSON, which is ASCII, so that its characters are bytes."""
        text = self._renderer(logger, method, dict(event))
        return without_secrets(text if isinstance(text, str) else text.decode())


def without_secrets(text: str) -> str:
    """A text in which what can be known for a secret is starred."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)


def _cut(value: Any, characters: int) -> Any:
    """A value whose texts have so many characters at most, and whose lists, such as the frames of a
    traceback and the chain of its causes, keep the first item and the last ones."""
    if isinstance(value, dict):
        return {str(name)[:100]: _cut(item, characters) for name, item in list(value.items())[:60]}
    if isinstance(value, list | tuple):
        most = max(2, characters // 40)
        items = value if len(value) <= most else [value[0], *value[-(most - 1) :]]
        return [_cut(item, characters) for item in items]
    if isinstance(value, int | float | None):
        return value
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… ({len(text):,} characters)"


def _traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback, each line of it cut."""
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, exc_info)
    out.write("\n".join(_cut(line, _TRACEBACK_CHARACTERS) for line in whole.getvalue().split("\n")))
