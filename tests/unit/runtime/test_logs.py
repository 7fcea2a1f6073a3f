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


HUGE = 5_000_000


def fail_with(depth: int, message: str) -> None:
    """Raise from many frames."""
    if depth:
        fail_with(depth - 1, message)
    raise RuntimeError(message)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("text", ["x", "ü", "\x00", '"', "\\"])
def test_a_line_has_8_kib_at_most(capsys: pytest.CaptureFixture[str], form: str, text: str) -> None:
    """A cell of megabytes, in the event, in a value, in an error of many frames and causes."""
    configure_logging("upload", log_format=form)
    log, cell = structlog.get_logger("test"), text * HUGE
    log.info(cell)
    many = {f"k{number}": "v" * 900 for number in range(99)}
    log.info("row", cell=cell, cells=[cell, {"deep": cell}], **many)
    logging.getLogger("library").warning("said %s", cell)
    try:
        try:
            fail_with(60, cell)
        except RuntimeError as error:
            raise ValueError(f"because {cell}") from error
    except ValueError as error:
        log.error("failed", exc_info=error)
    said = capsys.readouterr().err
    lines = said.splitlines()
    assert len(said.encode()) < 5 * 8192 and max(len(line.encode()) for line in lines) <= 8192
    assert "ValueError" in said, "what is wrong is still said"
    if form == "json":
        assert len(lines) == 4
        found = [json.loads(line) for line in lines]
        assert all(line["service"] == "upload" and line["level"] for line in found)
        assert all("5,000,0" in line["event"] for line in (found[0], found[2])), "how long it was is said"


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_starred_wherever_they_come_from(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Errors of libraries may name a DSN, or what a client has sent."""
    configure_logging("upload", log_format=form)
    key = "ing_abcd1234_" + "K" * 43
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
    for text in (
        "cannot connect to postgresql://upload:pass-word%20@127.0.0.1:5432/db",
        f"Bearer {key} is wrong",
        f"{{'authorization': 'Bearer {token}'}}",
    ):
        try:
            raise RuntimeError(text)
        except RuntimeError as error:
            structlog.get_logger("test").error(text, exc_info=error, more=[text])
    said = capsys.readouterr().err
    for secret in ("pass-word", "K" * 20, "eyJzdWIi", "c2lnbmF0"):
        assert secret not in said
    for kept in ("upload:***@127.0.0.1:5432/db", "ing_abcd1234_***"):
        assert kept in said
