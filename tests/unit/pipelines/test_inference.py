"""Columns are inferred as people mean them, and the draft loads the file that it was made from."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import date, datetime
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.pipelines.document import parse_pipeline
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.files.sample import read_sample, sample_table
from ingestor.tabular.options import parse_options
from tests.examples import examples

DIALECT = {
    "format": "csv",
    "delimiter": ",",
    "header": True,
    "headerRows": 1,
    "skipLines": 0,
    "skipFooter": 0,
}


def text_of(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def infer(tmp_path: Path, *columns: list[str], header: list[str] | None = None) -> dict[str, Any]:
    """Inspect a file of these columns beside one of letters; the rows that the draft loads or rejects are
    under "checked"."""
    labels = header or [*"xy"[: len(columns)], "letters"]
    letters = ["abcdefgh"[place % 8] for place in range(len(columns[0]))]
    path = tmp_path / "t.csv"
    path.write_bytes(text_of([labels, *map(list, zip(*columns, letters, strict=True))]))
    found = inspect_file(path, path.name, parse_options(json.dumps(DIALECT)))
    found["checked"] = load(path, found["pipeline"])
    return found


def load(path: Path, document: dict[str, Any]) -> CheckedRows:
    pipeline = parse_pipeline(json.dumps(document))
    options = parse_options(json.dumps({**DIALECT, **document.get("dialect", {})}))
    with path.open("rb") as file:
        sample = read_sample(file, path.stat().st_size, path.name, options)
    assert pipeline.header_problem(sample.labels, sample.names, options) is None
    return check_rows(sample_table(sample), sample.names, pipeline)


YES_NO = {"trueValues": ["yes", "Yes", "YES"], "falseValues": ["no", "No", "NO"]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,234.50", "999.10", "12,345.00"], {"type": "number", "groupChar": ","}),
        (["1.234,50", "999,10"], {"type": "number", "groupChar": ".", "decimalChar": ","}),
        (["1,234,567", "5"], {"type": "integer", "groupChar": ","}),
        (["1,234", "999", "12,345"], {"type": "integer", "groupChar": ","}),
        (["0,5", "1,25"], {"type": "number", "decimalChar": ","}),
        (["0,500", "1,250"], {"type": "number", "decimalChar": ","}),
        (["1 234,5", "7"], {"type": "number", "groupChar": " ", "decimalChar": ","}),
        (["1'234.50", "7"], {"type": "number", "groupChar": "'"}),
        (["1\u00a0234", "2\u202f345", "\u00a05", "6\u00a0"], {"type": "integer", "groupChar": " "}),
        (["12%", "15.5%"], {"type": "number", "bareNumber": False}),
        (["12 %", "0 %"], {"type": "integer", "bareNumber": False}),
        (["12%", "0.5"], {"type": "string"}),  # a share beside a percentage
        (["$5", "$1,234.50"], {"type": "number", "bareNumber": False, "groupChar": ","}),
        (["-$5.00", "$6.00"], {"type": "number", "bareNumber": False}),
        (["5,00 €", "-6,10 €"], {"type": "number", "bareNumber": False, "decimalChar": ","}),
        (["EUR 5", "EUR 6"], {"type": "integer", "bareNumber": False}),
        (
            ["1 234,50 kr", "7,00 kr"],
            {"type": "number", "bareNumber": False, "groupChar": " ", "decimalChar": ","},
        ),
        (["R$ 5.00", "R$ 6.00"], {"type": "number", "bareNumber": False}),
        (["Fr. 5.50", "Fr. 6.00"], {"type": "number", "bareNumber": False}),
        (["$5", "€6"], {"type": "string"}),  # two currencies
        (["Room 5", "Room 6"], {"type": "string"}),
        (["(5.00)", "7.25"], {"type": "number", "accounting": True}),
        (["5.00-", "7.25"], {"type": "number", "accounting": True}),
        (["($5.00)", "$7.25"], {"type": "number", "bareNumber": False, "accounting": True}),
        (["1", "2.5", "3"], {"type": "number"}),
        (["9223372036854775808", "1"], {"type": "number"}),
        (["1e3", "2.5E-3"], {"type": "number"}),
        (["01067", "8001"], {"type": "string"}),
        (["-01", "5"], {"type": "string"}),
        (["4111111111111111", "4222222222222222"], {"type": "string"}),
        (["+49151123456", "+4930123456"], {"type": "string"}),
        (["0049151", "030123"], {"type": "string"}),
        (["555 123 456", "555 123 457"], {"type": "string"}),
        (["192.168.100.200", "192.168.100.201"], {"type": "string"}),
        (["yes", "no", "YES"], {"type": "boolean", **YES_NO}),
        (["Y", "N"], {"type": "boolean", "trueValues": ["y", "Y"], "falseValues": ["n", "N"]}),
        (["t", "f"], {"type": "boolean"}),
        (["true", "true"], {"type": "boolean"}),
        (["T", "F"], {"type": "boolean", "trueValues": ["t", "T"], "falseValues": ["f", "F"]}),
        (["NO", "NO"], {"type": "string"}),  # may be Norway
        (["f", "f"], {"type": "string"}),
        (["0", "1"], {"type": "integer"}),
        (["5", "NULL", "-", "6", "N/A"], {"type": "integer", "missingValues": ["", "-", "N/A", "NULL"]}),
        (["1.5", "NaN", "#N/A"], {"type": "number", "missingValues": ["", "#N/A", "NaN"]}),
        (["a", "NULL", "-"], {"type": "string"}),  # words of a text stay
        (["2024-01-01", "n/a"], {"type": "date", "missingValues": ["", "n/a"]}),
        ([" 5", "6 "], {"type": "integer"}),
        (["1/31/2024", "2/1/2024"], {"type": "date", "format": "%m/%d/%Y"}),
        (["31/1/2024", "01/02/2024"], {"type": "date", "format": "%d/%m/%Y"}),
        (["1.2.2024", "03.04.2024"], {"type": "date", "format": "%d.%m.%Y"}),
        (["31.12.99", "01.01.00"], {"type": "date", "format": "%d.%m.%y"}),
        (["12/31/99", "1/1/00"], {"type": "date", "format": "%m/%d/%y"}),
        (["24-01-05", "24-01-06", "24-02-07"], {"type": "date", "format": "%y-%m-%d"}),
        (["2024-1-5", "2024-12-31"], {"type": "date", "format": "%Y-%m-%d"}),
        (["5 Jan 2025", "12 February 2025"], {"type": "date", "format": "%d %b %Y"}),
        (["05-JAN-25", "06-FEB-25"], {"type": "date", "format": "%d-%b-%y"}),
        (["January 5, 2025", "March 6, 2025"], {"type": "date", "format": "%b %d, %Y"}),
        (["5. März 2025", "6. Juni 2025"], {"type": "date", "format": "%d. %b %Y", "locale": "de"}),
        (["2024-01-01T00:00:00", "2024-01-02T00:00:00"], {"type": "datetime"}),  # midnight is a time
        (["2024-01-01 08:00:00.5+00", "2024-01-01 08:00:00+00"], {"type": "datetime"}),
        (["2024-01-01 08:00", "2024-01-01 09:30"], {"type": "datetime", "format": "%Y-%m-%d %H:%M"}),
        (["1/31/2024 1:05 PM", "2/1/2024 12:00 AM"], {"type": "datetime", "format": "%m/%d/%Y %I:%M %p"}),
        (["31.1.2024 13:05:01.25"], {"type": "datetime", "format": "%d.%m.%Y %H:%M:%S.%f"}),
        (["10/Oct/2000:13:55:36 -0700"], {"type": "datetime", "format": "%d/%b/%Y:%H:%M:%S %z"}),
        (["20240131T131500Z"], {"type": "datetime", "format": "%Y%m%dT%H%M%S%z"}),
        (["2024-01-31 13:15:00 UTC"], {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S %z"}),
        (["2024-01-31 13:15:00 +0000"], {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S %z"}),
        (["Mon, 06 Jan 2025 10:00:00 GMT"], {"type": "datetime", "format": "%a, %d %b %Y %H:%M:%S %z"}),
        (["Jan  5 2025 12:00AM"], {"type": "datetime", "format": "%b %d %Y %I:%M%p"}),
        (["31-JAN-24 10.15.30.123456 AM"], {"type": "datetime", "format": "%d-%b-%y %I.%M.%S.%f %p"}),
        (["2024-01-31", "0000-00-00"], {"type": "date", "missingValues": ["", "0000-00-00"]}),
        (["08:00:00", "23:59:59.5"], {"type": "time"}),
        (["8:00", "23:59"], {"type": "time", "format": "%H:%M"}),
        (["8:00 AM", "11:59 PM"], {"type": "time", "format": "%I:%M %p"}),
        (["P1D", "PT5H"], {"type": "duration"}),
        (["26:30:00", "100:00:00"], {"type": "duration"}),
        (["1-2", "3-4"], {"type": "string"}),
        (["1.2.3", "2.10.1"], {"type": "string"}),  # versions
    ],
)
def test_a_column(tmp_path: Path, values: list[str], expected: dict[str, Any]) -> None:
    found = infer(tmp_path, values)
    field = {key: value for key, value in found["pipeline"]["schema"]["fields"][0].items() if key != "name"}
    assert field == expected
    assert found["columns"][0]["confidence"] == 1
    assert found["checked"].rejected == []


@pytest.mark.parametrize(
    ("values", "candidates", "message"),
    [
        (
            ["1/5/2025", "2/6/2025"],
            [{"type": "date", "format": "%d/%m/%Y"}, {"type": "date", "format": "%m/%d/%Y"}],
            'x: "1/5/2025" can be read day first ("%d/%m/%Y") or month first ("%m/%d/%Y"); it stays text '
            "until a type and a format are declared.",
        ),
        (
            ["01-02-2025 10:00"],
            [
                {"type": "datetime", "format": "%d-%m-%Y %H:%M"},
                {"type": "datetime", "format": "%m-%d-%Y %H:%M"},
            ],
            'x: "01-02-2025 10:00" can be read day first ("%d-%m-%Y %H:%M") or month first '
            '("%m-%d-%Y %H:%M"); it stays text until a type and a format are declared.',
        ),
        (
            ["1,234", "2,500"],
            [{"type": "integer", "groupChar": ","}, {"type": "number", "decimalChar": ","}],
            'x: "1,234" can be read with "," as the group mark or as the decimal mark; it stays text until a '
            "type and a format are declared.",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_asked(
    tmp_path: Path, values: list[str], candidates: list[Any], message: str
) -> None:
    found = infer(tmp_path, values)
    assert found["pipeline"]["schema"]["fields"][0] == {
        "name": "x", "type": "string", "x-candidates": candidates
    }  # fmt: skip
    assert (found["columns"][0]["type"], found["columns"][0]["confidence"]) == ("string", 0.5)
    assert [(notice["code"], notice["message"]) for notice in found["notices"]] == [
        ("ambiguous-format", message)
    ]
    for keys in candidates:  # each of them would load the file
        document = found["pipeline"]
        document["schema"]["fields"][0] = {"name": "x", **keys}
        assert load(tmp_path / "t.csv", document).rejected == []


def test_what_a_percentage_means_and_values_that_do_not_fit_are_told(tmp_path: Path) -> None:
    found = infer(tmp_path, ["12 %"] * 2 + ["5 %"] * 17, [*map(str, range(18)), "x"])
    assert [(notice["code"], notice["message"], notice["rows"]) for notice in found["notices"]] == [
        ("percent-as-number", 'x: "12 %" is read as 12.', 0),
        ("values-do-not-fit", "y: some values of the sample are not of the type integer.", 1),
    ]
    assert [row.row_number for row in found["checked"].rejected] == [19]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1,234.50", {"type": "number", "groupChar": ","}),
        ("12%", {"type": "integer", "bareNumber": False}),
        ("31.12.2024", {"type": "date", "format": "%d.%m.%Y"}),
        ("5 Jan 2025", {"type": "date", "format": "%d %b %Y"}),
        ("yes", {"type": "string"}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_one_word_among_many_values(
    tmp_path: Path, value: str, expected: dict[str, Any], first: bool
) -> None:
    values = [value] * 10
    found = infer(tmp_path, ["unknown", *values] if first else [*values, "unknown"])
    assert found["pipeline"]["schema"]["fields"][0] == {"name": "x", **expected}
    assert len(found["checked"].rejected) == (expected["type"] != "string")


@pytest.mark.parametrize(
    ("header", "fields", "mapping"),
    [
        (["id", "name", "NAME"], ["id", "name", "name_2"], {"name_2": "NAME"}),
        (["id", "amount", "amount"], ["id", "amount", "amount_2"], None),
        (["id", "", "name"], ["id", "column_2", "name"], None),
        (["amount", "amount_2", "amount"], ["amount", "amount_2", "amount_3"], None),
        (
            ["Größe", " ", "名前"],
            ["groesse", "column_2", "mingqian"],
            {"groesse": "Größe", "mingqian": "名前"},
        ),
        (
            ["Straße", "STRASSE", "Ort"],
            ["strasse", "strasse_2", "ort"],
            {"strasse": "Straße", "strasse_2": "STRASSE", "ort": "Ort"},
        ),
        (["Дата", "£", "2024"], ["data", "gbp", "c_2024"], {"data": "Дата", "gbp": "£", "c_2024": "2024"}),
    ],
)
def test_labels_that_are_no_names(
    tmp_path: Path, header: list[str], fields: list[str], mapping: dict[str, str] | None
) -> None:
    found = infer(tmp_path, ["1", "2"], ["a", "b"], header=header)
    assert [field["name"] for field in found["pipeline"]["schema"]["fields"]] == fields
    assert found["pipeline"].get("mapping") == mapping
    assert found["checked"].good.num_rows == 2


def test_letters_are_loaded_before_they_are_needed() -> None:
    # A confined process may be unable to read files of packages afterwards.
    check = (
        "from ingestor.pipelines.inference import readable_names as names; names.load_letters();"
        "import builtins, io; io.open_code = builtins.open = None;"
        "import pathlib; pathlib.Path.read_bytes = None; print(names.identifier('客户 Größe 한국 😀', ''))"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "kehu_groesse_hangug_grinning"


def test_columns_without_a_label_that_hold_nothing_are_left_out(tmp_path: Path) -> None:
    found = infer(tmp_path, ["1", "2"], ["", ""], ["", "x"], ["", ""], header=["id", "", "", "empty", "name"])
    assert [field["name"] for field in found["pipeline"]["schema"]["fields"]] == [
        "id",
        "column_3",
        "empty",
        "name",
    ]
    assert found["notices"][-1]["code"] == "empty-columns"
    assert found["notices"][-1]["message"] == (
        "A column without a label holds nothing: left out of the drafted pipeline."
    )
    assert found["checked"].good.num_rows == 2


KINDS: list[st.SearchStrategy[str]] = [
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 99999).map("{:,}".format),
    st.decimals(-10_000, 10_000, places=2).map("{:,.2f}".format),
    st.decimals(-10_000, 10_000, places=2).map(lambda number: f"{number:,.2f}".translate({44: 46, 46: 44})),
    st.decimals(0, 100, places=1).map("{}%".format),
    st.decimals(-100, 100, places=2).map("${}".format),
    st.decimals(0, 100, places=2).map("({})".format),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.booleans().map(str),
    st.sampled_from(["yes", "no", "Yes", "nO"]),
    st.sampled_from(["t", "f", "", "NULL"]),
    st.dates().map(date.isoformat),
    *(
        st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)).map(methodcaller("strftime", how))
        for how in (
            "%d/%m/%Y", "%m/%d/%y", "%-d.%-m.%Y", "%d %b %Y", "%B %d, %Y", "%Y-%m-%d %H:%M:%S.%f", "%H:%M",
            "%m/%d/%Y %I:%M %p", "%y-%m-%d", "%d%b%Y", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d",
        )
    ),
    st.text(st.sampled_from("0123456789.,-+/: eE%$€()\u00a0ab"), max_size=8),
    st.from_regex(r"0[0-9]{2,6}", fullmatch=True),
    st.text("ab \u00e9", max_size=5),
]  # fmt: skip
WORDS = st.sampled_from(["", "NULL", "n/a", "-", " "])


@st.composite
def columns(draw: st.DrawFn) -> list[list[str]]:
    height = draw(st.integers(1, 12))

    def column() -> list[str]:
        kind = draw(st.sampled_from(KINDS))
        cells = (
            st.one_of(kind, kind, kind, kind, WORDS, kind.map(" {} ".format)) if draw(st.booleans()) else kind
        )
        return draw(st.lists(cells, min_size=height, max_size=height))

    return [column() for _ in range(draw(st.integers(1, 2)))]


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns())
def test_the_draft_loads_the_file_that_it_was_made_from(tmp_path: Path, columns: list[list[str]]) -> None:
    found = infer(tmp_path, *columns)
    sure = all(column["confidence"] in (0.5, 1) for column in found["columns"])
    assert not sure or found["checked"].rejected == []
    assert found["checked"].good.num_rows >= (1 if sure else 0)
