"""Files that are damaged in any way give a table or one reason, and never another error."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files import tables
from ingestor.tabular.files.convert import content, open_plan
from ingestor.tabular.files.tables import open_table
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from tests.examples import examples

ROWS = [{"id": number, "name": f"näme {number}", "note": None} for number in range(20)]


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in ROWS:
        sheet.append([row["id"], row["name"], 1.5])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{**row, "t": [row["id"]]} for row in ROWS]), buffer)
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "csv": lambda: "".join(f'{row["id"]};"{row["name"]}";\r\n' for row in ROWS).encode(),
    "cp1252": lambda: "".join(f"{row['id']}\t{row['name']}\n" for row in ROWS).encode("cp1252"),
    "utf-16": lambda: "".join(f"{row['id']},{row['name']}\n" for row in ROWS).encode("utf-16"),
    "jsonl": lambda: "\n".join(json.dumps(row) for row in ROWS).encode(),
    "json": lambda: json.dumps(ROWS, ensure_ascii=False, indent=1).encode(),
    "wrapped": lambda: json.dumps({"n": 1, "data": {"rows": ROWS}}).encode(),
    "xlsx": _xlsx,
    "parquet": _parquet,
}
PIECES = (
    b"\0",
    b"\xff",
    b'"',
    b"{",
    b"[" * 2000,
    b"\\ud800",
    b"\n",
    b"\xef\xbb\xbf",
    b"1e999",
    b"A" * 3000,
)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The data with some bytes changed, cut, repeated or put in."""
    made = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, size = draw.randrange(len(made) + 1), draw.randint(0, 30)
        match draw.randrange(5):
            case 0:
                made[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del made[at : at + size]
            case 2:
                made[at:at] = made[max(at - size, 0) : at]
            case 3:
                made[at:at] = draw.choice(PIECES)
            case _:
                del made[max(at, 1) :]
    return bytes(made)


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_damaged_file_is_a_table_or_has_a_reason(kind: str, tmp_path: Path) -> None:
    draw = random.Random(f"{kind} {examples(1000)}")
    whole = FILES[kind]()
    for number in range(examples(400)):
        data = mutated(whole, draw)
        name = draw.choice(["t.csv", "t.json", "t.jsonl", "t.xlsx", "t"])
        try:
            how = open_plan(io.BytesIO(data), len(data), name, ReadOptions())
            for piece in content(io.BytesIO(data), how):
                piece.decode("utf-8", "strict" if how.form == "normal" else "replace")
            if number % 20 == 0:
                path = tmp_path / name
                path.write_bytes(data)
                inspect_file(path, name, ReadOptions())
        except UnreadableFileError as error:
            assert error.message.endswith("."), error.message
            # Elsewhere no library may stumble.
            assert error.reason != "FILE_UNREADABLE" or kind in ("xlsx", "parquet"), data


class _Failing:
    name = "failing"

    def __init__(self, error: BaseException, columns: tuple[str, ...] = ("a",)) -> None:
        self.error, self.columns = error, columns

    @contextmanager
    def open(self, *_: object) -> Iterator[Any]:
        yield self

    def blocks(self) -> Iterator[Any]:
        raise self.error
        yield


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "FILE_TOO_COMPLEX"),
        (RecursionError("deep"), "FILE_UNREADABLE"),
        (ZeroDivisionError(), "FILE_UNREADABLE"),
        (OSError("Thrift"), "FILE_UNREADABLE"),
        (UnreadableFileError("FILE_EMPTY", "It is empty."), "FILE_EMPTY"),
    ],
)
def test_what_a_parser_raises_is_one_reason(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "parsers", lambda: (_Failing(error),))
    with (
        pytest.raises(UnreadableFileError) as caught,
        open_table(io.BytesIO(), "failing", ReadOptions(), DEFAULT_LIMITS) as table,
    ):
        list(table.blocks())
    assert caught.value.reason == reason
    assert type(error).__name__ not in caught.value.message


def test_the_machines_failures_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "parsers", lambda: (_Failing(OSError(28, "No space left on device")),))
    with (
        pytest.raises(OSError, match="space"),
        open_table(io.BytesIO(), "failing", ReadOptions(), DEFAULT_LIMITS) as table,
    ):
        list(table.blocks())


def test_labels_that_postgresql_cannot_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "parsers", lambda: (_Failing(MemoryError(), ("a", "b\0")),))
    with (
        pytest.raises(UnreadableFileError, match="column 2"),
        open_table(io.BytesIO(), "failing", ReadOptions(), DEFAULT_LIMITS),
    ):
        pass
