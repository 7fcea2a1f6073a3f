"""Hostile files through the gateway: each fails for a clear reason, conversions end with their process, and
an innocent file does not wait for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ingestor import AsyncClient
from tests.e2e.conftest import Suite
from tests.hostile import csv, parquet, workbooks
from tests.waiting import until

SLOW = 4  # more than one tenant may have converted at a time


def converting(suite: Suite) -> list[psutil.Process]:
    """The programs that convert files of the suite now."""
    found = []
    for process in psutil.process_iter():
        try:
            if "ingestor.tabular.files.stand_by" in process.cmdline() and any(
                str(suite.data) in file.path for file in process.open_files()
            ):
                found.append(process)
        except psutil.Error:
            pass
    return found


def conversions(suite: Suite) -> list[Path]:
    """The stored conversions."""
    return sorted((suite.data / "files").rglob("*-text"))


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("shared.xlsx", workbooks.shared_string, "EXPANDS_TOO_FAR"),
        ("far.xlsx", workbooks.far_cell, "XLSX_INVALID"),
        ("text.parquet", parquet.repeated_text, "EXPANDS_TOO_FAR"),
        ("wide.csv", csv.wide_header, "HEADER_TOO_LONG"),
    ],
)
def test_a_hostile_file_fails_for_a_reason(
    suite: Suite, tmp_path: Path, name: str, make: Callable[[], bytes], reason: str
) -> None:
    source = tmp_path / name
    source.write_bytes(make())
    answer = suite.ingest(source, status=1)
    assert (answer["state"], answer["failure"]["reason"]) == ("FAILED", reason)
    assert answer["counts"]["read"] == 0


def test_a_number_format_of_any_length(suite: Suite, tmp_path: Path) -> None:
    source = tmp_path / "format.xlsx"
    source.write_bytes(workbooks.number_format())
    assert suite.ingest(source)["counts"]["succeeded"] == 1


@pytest.mark.parametrize("encoding", ["idna", "undefined", "punycode"])
def test_no_encoding_of_files(suite: Suite, tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,b\n1,2\n")
    done = suite.run("ingest", str(source), "--dialect", f'{{"encoding": "{encoding}"}}', status=None)
    assert done.returncode != 0
    assert "encoding" in done.stderr


async def test_nobody_waits_for_conversions_and_they_end_with_their_process(
    suite: Suite, client: AsyncClient, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.xlsx"
    slow.write_bytes(workbooks.rows_without_numbers(1_000_000))
    plain = tmp_path / "--plain.csv"
    plain.write_bytes(b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(10_000)))
    before = conversions(suite)
    sent = [await client.ingest(slow) for _ in range(SLOW)]
    await until(lambda: len(converting(suite)) == 2, "two programs")
    process = await client.ingest(plain)
    assert (await process.wait()).counts.succeeded == 10_000
    assert len(converting(suite)) == 2
    for waiting in sent:
        await waiting.cancel()
    await until(lambda: not converting(suite), "the end of the programs")
    await until(lambda: conversions(suite) == before, "the end of what was converted")
