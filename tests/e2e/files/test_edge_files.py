"""Files at the edges of what a table can be."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Suite
from tests.e2e.tables import write_pipeline, write_readings


async def loaded(suite: Suite, process: str) -> list[tuple[int, str]]:
    """Row numbers and the value of column `b` of a process without a pipeline."""
    return [
        (number, value)
        for number, value in await suite.fetch(
            "SELECT _row_number, data->>'b' FROM ingested_rows WHERE _process_id = $1::uuid ORDER BY 1",
            process,
        )
    ]


def test_an_empty_file_fails_with_a_reason(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "empty.csv"
    source.write_bytes(b"")
    answer = suite.ingest(source, status=1)
    assert (answer["state"], answer["failure"]["reason"]) == ("FAILED", "FILE_EMPTY")
    assert answer["counts"]["read"] == 0


def test_a_header_alone_is_complete(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "header.csv"
    source.write_text("a,b\n")
    answer = suite.ingest(source)
    assert (answer["state"], answer["counts"]["read"]) == ("COMPLETED", 0)


async def test_one_row_without_a_line_end(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "one.csv"
    source.write_text("a,b\n1,2")
    answer = suite.ingest(source)
    assert answer["counts"]["succeeded"] == 1
    assert await loaded(suite, answer["process_id"]) == [(1, "2")]


async def test_a_cell_of_ten_mebibytes(suite: Suite, tmp_path: Path) -> None:
    """Text that hardly compresses, so that the record is larger than any queue message."""
    source = tmp_path / "large.csv"
    words = [f"{number * 2654435761 % 2**32:08x}" for number in range(10 * 2**20 // 8)]
    cell = "".join(words)
    source.write_text(f'a,b\n1,x\n2,"{cell}"\n3,z\n')
    answer = suite.ingest(source)
    assert answer["counts"]["succeeded"] == 3
    assert await loaded(suite, answer["process_id"]) == [(1, "x"), (2, cell), (3, "z")]


async def test_invalid_utf8_costs_only_its_row(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "latin.csv"
    source.write_bytes(b"a,b\n1,ok\n2,caf\xe9\n3,ok\n")
    answer = suite.ingest(source, status=3)
    assert await loaded(suite, answer["process_id"]) == [(1, "ok"), (3, "ok")]
    row = suite.json("row", answer["process_id"], "2")
    assert [error["code"] for error in row["errors"]] == ["encoding-error"]


async def test_a_file_of_nothing_but_bad_rows(suite: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "all_bad_readings")
    source = write_readings(tmp_path / "r.csv", 60_000, bad_every=1)
    answer = suite.ingest(source, "--pipeline", str(pipeline), status=3)
    assert (answer["counts"]["read"], answer["counts"]["failed"]) == (60_000, 60_000)
    suite.run("report", answer["process_id"], "-o", str(tmp_path / "report.csv"))
    with (tmp_path / "report.csv").open(newline="", encoding="utf-8") as report:
        assert sum(1 for _ in report) == 60_001


async def test_line_ends_blank_lines_and_quoted_newlines(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "mixed.csv"
    source.write_bytes(b'\xef\xbb\xbfa,b\r\n1,"two\r\nlines"\r2,cr\n\r\n3,"unclosed\n4,ok\r\n')
    answer = suite.ingest(source, status=3)
    counts = answer["counts"]
    assert (counts["read"], counts["succeeded"], counts["failed"], counts["skipped"]) == (5, 3, 1, 1)
    assert await loaded(suite, answer["process_id"]) == [(1, "two\r\nlines"), (2, "cr"), (5, "ok")]
    row = suite.json("row", answer["process_id"], "4")
    assert (row["state"], row["errors"][0]["code"], int(row["line_number"])) == ("FAILED", "quote-error", 6)


def test_a_file_that_is_no_table_is_refused(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "really.csv"
    source.write_bytes(b"%PDF-1.7\n" + b"\0" * 100)
    done = suite.run("ingest", str(source), status=1)
    assert "UNSUPPORTED_FILE_TYPE" in done.stderr
