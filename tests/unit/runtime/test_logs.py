"""What every line of the log carries."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ingestor.runtime.observability.logs import configure_logging
from ingestor.runtime.observability.tracing import continue_trace, trace_id


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


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_show_values(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure_logging("upload", log_format=form)

    def fail(token: str) -> None:
        raise RuntimeError(f"of {len(token)} characters")

    try:
        fail("ing_" + "abc_123")
    except RuntimeError as error:
        structlog.get_logger("test").error("failed", exc_info=error)
    said = capsys.readouterr().err
    assert "of 11 characters" in said and "fail" in said
    assert "ing_abc_123" not in said
