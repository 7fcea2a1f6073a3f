"""Excerpts are remembered for as long as the same rows are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ingestor.services.upload.dry_runs import Excerpt, ExcerptRow
from ingestor.services.upload.excerpts import RecentExcerpts
from ingestor.services.upload.ports import Inspector
from ingestor.services.upload.uploads import Upload, UploadState

UPLOAD = Upload(
    "u", "t", None, "a.csv", 10, "t/u", UploadState.OPEN, 10, None, datetime(2025, 1, 1, tzinfo=UTC)
)


class Counting(Inspector):
    """Makes an excerpt of so many bytes, and counts."""

    def __init__(self, size: int = 10) -> None:
        self.made = 0
        self.size = size

    async def inspect(
        self, upload: Upload, dialect: str, rows: int, key: Sequence[str] = ()
    ) -> dict[str, Any]:
        raise NotImplementedError

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()) -> Excerpt:
        self.made += 1
        return Excerpt(("a",), (ExcerptRow(1, 2, ("x",)),), True, True, dialect, b"x" * self.size)


async def test_the_same_rows_are_read_once() -> None:
    inspector = Counting()
    recent = RecentExcerpts(inspector)
    first = await recent.excerpt(UPLOAD, "{}", 5, ["a"])
    assert await recent.excerpt(UPLOAD, "{}", 5, ("a",)) is first
    assert inspector.made == 1


async def test_other_bytes_options_rows_and_labels_are_read_anew() -> None:
    inspector = Counting()
    recent = RecentExcerpts(inspector)
    asked = [
        (UPLOAD, "{}", 5, ["a"]),
        (replace(UPLOAD, committed_size=9), "{}", 5, ["a"]),
        (replace(UPLOAD, tenant="other"), "{}", 5, ["a"]),
        (UPLOAD, '{"header": false}', 5, ["a"]),
        (UPLOAD, "{}", 6, ["a"]),
        (UPLOAD, "{}", 5, ["b"]),
    ]
    for arguments in asked:
        await recent.excerpt(*arguments)
    assert inspector.made == len(asked)


async def test_an_aborted_upload_is_not_remembered() -> None:
    inspector = Counting()
    recent = RecentExcerpts(inspector)
    gone = replace(UPLOAD, state=UploadState.ABORTED)
    await recent.excerpt(gone, "{}", 5, [])
    await recent.excerpt(gone, "{}", 5, [])
    assert inspector.made == 2


async def test_memory_is_bounded() -> None:
    inspector = Counting(size=3 * 2**20)
    recent = RecentExcerpts(inspector)
    for rows in range(1, 8):  # seven of 6 MiB
        await recent.excerpt(UPLOAD, "{}", rows, [])
    await recent.excerpt(UPLOAD, "{}", 7, [])
    assert inspector.made == 7
    await recent.excerpt(UPLOAD, "{}", 1, [])
    assert inspector.made == 8  # the oldest made room
    inspector.size = 5 * 2**20  # too large to be kept at all
    await recent.excerpt(UPLOAD, "{}", 50, [])
    await recent.excerpt(UPLOAD, "{}", 50, [])
    assert inspector.made == 10
