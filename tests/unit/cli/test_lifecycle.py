"""What undo and delete say before and after, and that a "no" does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ingestor.cli import lifecycle
from ingestor.cli.summary import undo_sentence
from ingestor.client import UndoCounts
from ingestor.client.fields import ProcessFields
from ingestor.v1 import common_pb2, processor_pb2, status_pb2


class Suite:
    """A client that notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    async def process(self, process_id: str, look: bool = True) -> Process:
        """A process."""
        if look:
            self.calls.append(("get", False))
        return Process(self.calls, process_id)


class Process(ProcessFields):
    """A process of that client."""

    def __init__(self, calls: list[tuple[str, bool]], process_id: str) -> None:
        self._calls = calls
        self._process_id = process_id

    @property
    def raw(self) -> status_pb2.Process:
        """What is known of it."""
        return status_pb2.Process(
            info=common_pb2.ProcessInfo(process_id=self._process_id, file_name="a.csv"),
            state=common_pb2.PROCESS_STATE_COMPLETED,
            counts=common_pb2.RowCounts(read=1000),
        )

    async def undo(self, dry_run: bool = False) -> UndoCounts:
        """Three rows go."""
        self._calls.append(("undo", dry_run))
        counts = processor_pb2.UndoProcessResponse(removed=3, restored=1200, kept=0 if dry_run else 2)
        return UndoCounts.of(counts)

    async def delete(self) -> None:
        """It goes."""
        self._calls.append(("delete", False))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person on a terminal is shown."""
    shown: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.echo", lambda text, err: shown.append(text))
    return shown


def answer(monkeypatch: pytest.MonkeyPatch, yes: bool) -> None:
    """What the person answers."""
    monkeypatch.setattr("click.confirm", lambda text, err: yes)


async def test_a_person_is_asked_first(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    suite: Any = Suite()
    answer(monkeypatch, yes=False)
    for work in (lifecycle.undo(suite, "p", False, False), lifecycle.delete(suite, "p", False)):
        with pytest.raises(SystemExit) as ended:
            await work
        assert ended.value.code == 1
    assert suite.calls == [("undo", True), ("get", False)]
    assert said[0] == "Undoes p: 3 rows to be taken out, 1,200 to be restored."
    assert said[1].startswith("Deletes a.csv (COMPLETED, 1,000 rows read): its file,")
    answer(monkeypatch, yes=True)
    suite.calls.clear()
    await lifecycle.undo(suite, "p", False, False)
    await lifecycle.delete(suite, "p", False)
    assert suite.calls == [("undo", True), ("undo", False), ("get", False), ("delete", False)]


async def test_yes_and_dry_run_do_not_ask(said: list[str]) -> None:
    suite: Any = Suite()
    planned = await lifecycle.undo(suite, "p", True, False)
    assert suite.calls == [("undo", True)]
    done = await lifecycle.undo(suite, "p", False, True)
    await lifecycle.delete(suite, "p", True)
    assert suite.calls[1:] == [("undo", False), ("delete", False)]
    assert said == []
    assert undo_sentence(done, done=True) == (
        "3 rows taken out, 1,200 restored, 2 left alone, since a later process changed them"
    )
    assert lifecycle.undo_json("p", planned, True) == {
        "process_id": "p", "dry_run": True, "removed": 3, "restored": 1200, "kept": 0
    }  # fmt: skip
