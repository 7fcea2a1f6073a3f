"""What every line of the log carries."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ingestor.runtime.logs import configure_logging
from ingestor.runtime.tracing import continue_trace, trace_id


@pytest.fixture
def restored() -> Iterator[None]:
    """The log is as before after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("restored")
def test_a_line_carries_the_service_and_the_current_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("upload", log_format="json")
    trace = trace_id(continue_trace(None))
    structlog.get_logger("test").info("stored", size=3)
    logging.getLogger("library").warning("slow")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["service"], line["trace_id"]) for line in lines] == [
        ("stored", "upload", trace),
        ("slow", "upload", trace),
    ]
