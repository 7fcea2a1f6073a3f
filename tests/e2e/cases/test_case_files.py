"""Files and workbooks that people met with other loaders, each with its right answer (README.md), on
the running suite: drafted pipelines load the files that they were drafted from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ingestor import AsyncClient
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.options import parse_options
from tests.e2e.conftest import Suite

CASES = Path(__file__).parent
_AT_ONCE = 6


@dataclass(frozen=True)
class Case:
    """What must come of a file: the columns of its table with their rows as texts (None: any number of rows),
    codes of the rows that are rejected or skipped, by number, and codes of notices."""

    file: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | None]]
    rejected: Mapping[int, str] = field(default_factory=dict)
    notices: Sequence[str] = ()
    dialect: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)  # of fields in the draft

    @property
    def path(self) -> Path:
        """Where it is."""
        return CASES / self.file


def _seen(number: int) -> str:
    """Each tenth day at midnight, the others at nine."""
    day = date(2023, 3, 16) + timedelta(days=number - 1)
    return f"{day} {'00' if number % 10 == 0 else '09'}:00:00+00"


def _day(number: int) -> str:
    """The dates of us-dates.csv."""
    line = (CASES / "files/us-dates.csv").read_text("utf-8").splitlines()[number]
    month, day, year = map(int, line.partition(",")[2].split("/"))
    return date(year, month, day).isoformat()


TWO = (("1", "a"), ("2", "b"))
BOOK = (("1", "Anna"),)
FILES = [
    Case("files/sep_line.csv", ("Order", "Qty"), (("1", "5"), ("2", "7"))),
    Case("files/tab-with-commas.tsv", ("id", "name, first"), (("1", "Doe, J"), ("2", "Roe, K"))),
    Case(
        "files/title-blank-header.csv",
        ("id", "name", "city"),
        (("1", "a", "x"), ("2", "b", "y")),
        rejected={3: "footer-row"},
        notices=("lines-above-header", "footer-not-read"),
    ),
    Case(
        "files/no-header.csv",
        ("column_1", "column_2", "column_3"),
        (("1", "Anna", "3.5"), ("2", "Bert", "4.5"), ("3", "Cara", "5.5")),
    ),
    Case("files/trailing-delims.csv", ("id", "name"), TWO, notices=("empty-columns-not-read",)),
    Case("files/trailing-delim-rows.csv", ("id", "name"), TWO, notices=("empty-cells-dropped",)),
    Case(
        "files/trailing-delim-rows-2.csv",
        ("id", "name", "lat"),
        (("1", "Rue", "4.5"), ("2", "Via", "5.5")),
        notices=("empty-cells-dropped",),
    ),
    Case(
        "files/duplicate-and-blank-labels.csv",
        ("id", "amount", "amount_2", "column_4"),
        (("1", "10", "20", "x"),),
    ),
    Case("files/dup-headers.csv", ("id", "name", "name_2", "NAME"), (("1", "a", "b", "c"),)),
    Case("files/blank-label.csv", ("id", "column_2", "name"), (("1", "2", "a"), ("2", "3", "b"))),
    Case(
        "files/blank-rows-commas.csv",
        ("id", "name"),
        TWO,
        rejected=dict.fromkeys((2, 3, 5), "blank-row"),
    ),
    Case(
        "files/quoted-empty.csv",
        ("k", "s", "n"),
        (("1", "", None), ("2", None, ""), ("3", "NULL", "NULL"), ("4", "NULL", "NULL")),
        dialect={"emptyQuoted": "text"},
    ),
    Case("files/bom-inside.csv", ("id", "name"), (("1", "x"),), rejected={2: "encoding-error"}),
    Case("files/nul.csv", ("id", "name"), (("2", "c"),), rejected={1: "encoding-error"}),
    Case("files/cyrillic.csv", ("id", "имя"), (("1", "Анна"), ("2", "Борис"))),
    Case(
        "files/thousands.csv",
        ("id", "amount"),
        (("1", "1234.50"), ("2", "2000.00"), ("3", "999.10"), ("4", "12345.00")),
        types={"amount": "number"},
    ),
    Case("files/percent.csv", ("id", "share"), (("1", "12"), ("2", "15.5"), ("3", "100"))),
    Case(
        "files/yesno.csv",
        ("id", "active", "flag"),
        (("1", "true", "true"), ("2", "false", "false"), ("3", "true", "true")),
    ),
    Case("files/nbsp.csv", ("id", "amount"), (("1", "1234"), ("2", "2345"), ("3", "5"), ("4", "6"))),
    Case(
        "files/leading-zero.csv",
        ("zip", "phone", "card", "guid"),
        (
            ("01067", "+49 151 123", "4111111111111111", "007"),
            ("08001", "0049151", "4222222222222222", "008"),
        ),
    ),
    Case(
        "files/null-words.csv",
        ("id", "v"),
        [(str(n), None if n in (1, 2, 4) else str({3: 5, 5: 6}.get(n, n))) for n in range(1, 40)],
        types={"v": "integer"},
    ),
    Case(
        "files/postgres-export-times.csv",
        ("id", "at"),
        (("1", "2024-01-01 08:00:00.5+00"), ("2", "2024-06-01 00:00:00+00")),
        types={"at": "datetime"},
    ),
    Case("files/pretty-objects.json", ("id", "v"), (("1", "2"), ("2", "3"))),
    Case(
        "files/us-dates.csv",
        ("id", "day"),
        [(str(n), _day(n)) for n in range(1, 40)],
        types={"day": "date"},
    ),
    Case(
        "files/json-not-storable.jsonl",
        ("id", "t"),
        (
            ("3", "pair \N{GRINNING FACE}"),
            ("4", "ctl \x01 \x1f"),
            ("9", "ok"),
            ("10", "raw\ttab"),
            ("11", "a\\u0000b"),
            ("12", '{"n":"a\\\\u0000b"}'),
        ),
        rejected=dict.fromkeys((1, 2, 5, 6, 7), "encoding-error"),
    ),
    Case("files/surrogate-name.jsonl", ("id",), (("2",),), rejected={1: "encoding-error"}),
    Case("files/nul-name.jsonl", ("id",), (("1",), ("2",)), rejected={3: "encoding-error"}),
    Case(
        "files/comma_blank.csv",
        ("id", "name", "city"),
        (("1", "Anna", "Berlin"), ("2", "Bert", "Paris")),
    ),
    Case(
        "files/title_line.csv",
        ("id", "name", "city"),
        (("1", "Anna", "Berlin"), ("2", "Bert", "Paris")),
        notices=("lines-above-header",),
    ),
    Case(
        "files/escape_backslash.csv",
        ("id", "path", "gone"),
        (("1", "C:\\temp\\new", "\\N"), ("2", 'say "hi"', "x")),
        dialect={"escapeChar": "\\", "doubleQuote": False},
    ),
    Case(
        "files/headerless_first_bad.csv",
        ("column_1", "column_2"),
        (("2", "Carl"), ("3", "Dora")),
        rejected={1: "quote-error"},
        dialect={"header": False},
    ),
    Case("workbooks/SharedStrings-case.xlsx", ("id", "name"), BOOK),
    Case("workbooks/backslashes.xlsx", ("id", "name"), BOOK),
    Case("workbooks/lowercase-refs.xlsx", ("id", "name"), BOOK),
    Case(
        "workbooks/floats.xlsx",
        ("id", "amount"),
        (
            ("1", "119.119"),
            ("2", "0.3"),
            ("3", "1.1"),
            ("4", "7"),
            ("5", "5"),
            ("6", "1000"),
            ("7", "2"),
        ),
    ),
    Case(
        "workbooks/longnumbers.xlsx",
        ("id", "card"),
        (
            ("1", "4111111111111110"),
            ("2", "4111111111111110"),
            ("3", "12345678901234600000"),
            ("4", "4111111111111111"),
            ("5", "5512940468989"),
            ("6", "159001810629457000"),
            ("7", "0.0000001"),
        ),
    ),
    Case(
        "workbooks/datetime-midnight.xlsx",
        ("id", "seen_at"),
        [(str(n), _seen(n)) for n in range(1, 41)],
        types={"seen_at": "datetime"},
    ),
    Case("workbooks/hidden-first.xlsx", ("id", "name"), TWO, notices=("other-sheets",)),
    Case(
        "workbooks/title-rows.xlsx",
        ("id", "name", "city"),
        (("1", "a", "x"), ("2", "b", "y")),
        notices=("lines-above-header",),
    ),
    Case(
        "workbooks/merged-header.xlsx",
        ("Person First", "Person Last", "Address City", "Address Zip"),
        (("A", "B", "C", "1"), ("D", "E", "F", "2")),
    ),
    Case(
        "workbooks/formula-empty-string.xlsx",
        ("id", "name"),
        [(str(n), f"n{n}") for n in range(1, 6)],
        rejected=dict.fromkeys(range(6, 506), "blank-row"),
    ),
    Case("workbooks/trailing-emptystr.xlsx", ("id", "name"), TWO),
    Case(
        "workbooks/error-cell.xlsx",
        ("id", "name", "lookup"),
        (("1", "a", "5"), ("4", "d", "7")),
        rejected={2: "cell-error", 3: "cell-error"},
    ),
]


@dataclass
class Result:
    """What came of a case."""

    types: Mapping[str, str]
    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    rejected: dict[int, str]
    notices: list[str]
    state: str


async def _run(suite: Suite, client: AsyncClient, number: int, case: Case) -> Result:
    found = inspect_file(case.path, case.path.name, parse_options(dict(case.dialect)))
    document = {**found["pipeline"], "name": f"case-{number}", "sink": {"table": f"case_{number}"}}
    process = await (await client.ingest(case.path, document, dict(case.dialect))).wait(timeout=60)
    fields = {made["name"]: made["type"] for made in document["schema"]["fields"]}
    connection = await asyncpg.connect(suite.dsn)
    try:
        listed = ", ".join(f'"{name}"::text' for name in fields)
        await connection.execute("SET timezone = 'UTC'")
        rows = await connection.fetch(f"SELECT {listed} FROM case_{number} ORDER BY _row_number")
    except asyncpg.UndefinedTableError:
        rows = []
    finally:
        await connection.close()
    rejected = {
        row.number: row.errors[0].code
        for state in ("FAILED", "SKIPPED")
        async for row in process.rows(f"status={state}")
    }
    notices = [notice.code for notice in process.notices]
    labels = document.get("mapping", {})
    columns = tuple(labels.get(name, name) for name in fields)
    return Result(fields, columns, [tuple(row) for row in rows], rejected, notices, str(process.state))


@pytest.fixture(scope="module")
def results(suite: Suite) -> Mapping[str, Result | BaseException]:
    """The results by file; all files are ingested side by side."""

    async def run() -> dict[str, Result | BaseException]:
        free = asyncio.Semaphore(_AT_ONCE)
        async with AsyncClient(suite.gateway) as client:

            async def one(number: int, case: Case) -> Result:
                async with free:
                    return await _run(suite, client, number, case)

            found = await asyncio.gather(
                *(one(number, case) for number, case in enumerate(FILES)), return_exceptions=True
            )
        return {case.file: result for case, result in zip(FILES, found, strict=True)}

    return asyncio.run(run())


@pytest.mark.parametrize("case", FILES, ids=lambda case: Path(case.file).name)
def test_a_file_loads_as_it_was_meant(results: Mapping[str, Result | BaseException], case: Case) -> None:
    result = results[case.file]
    if isinstance(result, BaseException):
        raise result
    assert result.columns == tuple(case.columns)
    assert result.rows == [tuple(row) for row in case.rows]
    assert result.rejected == dict(case.rejected)
    assert set(case.notices) <= set(result.notices)
    assert {name: result.types[name] for name in case.types} == dict(case.types)


def test_a_header_in_an_unknown_encoding_is_refused_at_once() -> None:
    with pytest.raises(UnreadableFileError, match="encoding"):
        inspect_file(
            CASES / "files/latin-header-comment.txt", "latin-header-comment.txt",
            parse_options({"commentChar": "#"}),
        )  # fmt: skip


def test_a_page_is_refused_by_its_content() -> None:
    with pytest.raises(UnreadableFileError, match="HTML"):
        inspect_file(CASES / "files/html.csv", "html.csv", parse_options({}))


@pytest.mark.parametrize("name", ["times.xlsx", "time-edge.xlsx"])
def test_times_of_a_day_and_more_are_never_dates(name: str) -> None:
    found = inspect_file(CASES / "workbooks" / name, name, parse_options({}))
    texts = [cell for row in found["first_rows"] for cell in row["cells"] if cell]
    assert not [text for text in texts if "1899" in text or "1900" in text]
    assert any(text.startswith(("24:00", "PT24H")) for text in texts)


@pytest.mark.parametrize(("name", "type_"), [("time_ns", "time"), ("timestamp_ns", "datetime")])
async def test_nanoseconds_are_an_error_of_their_row(suite: Suite, name: str, type_: str) -> None:
    """Both files have a value of whole microseconds and one that is more exact."""
    path = CASES / f"files/{name}.parquet"
    found = inspect_file(path, path.name, parse_options({}))
    document = {**found["pipeline"], "name": name.replace("_", "-"), "sink": {"table": f"case_{name}"}}
    document["schema"]["fields"][1] = {"name": found["columns"][1]["name"], "type": type_}
    async with AsyncClient(suite.gateway) as client:
        process = await (await client.ingest(path, document)).wait(timeout=60)
        failed = [row async for row in process.rows("status=FAILED")]
    assert process.counts.succeeded + len(failed) == 2
    assert all("microsecond" in row.errors[0].message for row in failed)
    assert process.counts.succeeded >= 1
