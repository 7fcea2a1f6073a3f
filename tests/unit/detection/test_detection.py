"""Finding the table in files as people send them; docs/accuracy.md shows the score per kind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.formats import Plan, plan
from ingestor.tabular.files.sample import Sample, read_sample
from ingestor.tabular.options import ReadOptions
from tests.unit.detection.corpus import Messy, Read, score_all, table_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "accuracy.md"


def sample_of(text: str, name: str = "data.csv", labels: tuple[str, ...] = (), **declared: Any) -> Sample:
    data = text.encode()
    options = ReadOptions.model_validate(declared)
    return read_sample(io.BytesIO(data), len(data), name, options, rows=5000, labels=labels)


def plan_of(text: str, **declared: Any) -> Plan:
    data = text.encode()
    return plan(data, len(data), "data.csv", ReadOptions.model_validate(declared))


def rows_of(sample: Sample) -> list[tuple[str, ...]]:
    return [tuple(cell or "" for cell in row) for row in zip(*sample.cells, strict=True)]


def test_the_corpus_is_read_and_the_document_shows_the_scores() -> None:
    def read(file: Messy) -> Read | None:
        try:
            sample = sample_of(file.text, file.file_name)
        except UnreadableFileError:
            return None
        return Read(sample.names, tuple(rows_of(sample)))

    scores, worse, not_meant = score_all(read)
    table = table_of(scores)
    print(table)  # noqa: T201 - pytest -s shows it
    for kind, values in scores.items():
        assert sum(values) / len(values) >= 9.5, [file.text[:200] for file, _ in worse if file.kind == kind]
    assert not_meant <= 5, [(file.kind, file.table) for file, _ in worse]
    assert table in DOCUMENT.read_text("utf-8"), table


@pytest.mark.parametrize(
    ("text", "name", "dialect", "labels", "count"),
    [
        ("sep=;\nOrder;Qty\n1;5\n2;7\n", "a.csv", {"delimiter": ";", "skipLines": 1}, ("Order", "Qty"), 2),
        ("id\tname, first\n1\tDoe, J\n2\tRoe, K\n", "a.tsv", {"delimiter": "\t"}, ("id", "name, first"), 2),
        (
            "Report of sales,,\nMade 2025-01-01,,\n,,\nid,name,city\n1,a,x\n2,b,y\nTotal,2,\n",
            "a.csv",
            {"delimiter": ",", "skipLines": 3, "skipFooter": 1},
            ("id", "name", "city"),
            2,
        ),
        (
            "1,Anna,3.5\n2,Bert,4.5\n3,Cara,5.5\n",
            "a.csv",
            {"delimiter": ",", "header": False},
            ("column_1", "column_2", "column_3"),
            3,
        ),
        (
            '"id", "name", "city"\n1, "Anna", "Berlin"\n2, "Bert", "Paris"\n',
            "a.csv",
            {"delimiter": ",", "skipInitialSpace": True},
            ("id", "name", "city"),
            2,
        ),
        (
            "Report of 2024\nid;name;city\n1;Anna;Berlin\n2;Bert;Paris\n",
            "a.csv",
            {"delimiter": ";", "skipLines": 1},
            ("id", "name", "city"),
            2,
        ),
    ],
)
def test_cases(text: str, name: str, dialect: dict[str, Any], labels: tuple[str, ...], count: int) -> None:
    sample = sample_of(text, name)
    guessed = {guess.option: json.loads(guess.value_json) for guess in sample.plan.guesses}
    guessed.pop("columns", None)
    assert guessed == dialect
    assert (sample.names, len(sample.row_numbers)) == (labels, count)


def test_what_is_not_read_is_told_with_its_lines() -> None:
    found = plan_of("Sales report,,\n\nid,name,city\n1,a,x\n2,b,y\n\nSource: office\n")
    assert [(notice.code, notice.message) for notice in found.notices] == [
        ("lines-above-header", "Lines 1 to 2 stand above the header and were not read."),
        ("footer-not-read", "Line 7 is a footer and was not read as a row."),
    ]
    (second,) = plan_of("id,name,x\n1,a,\n2,b,\n\ncode,meaning\nA,b\nB,c\nC,d\n").notices
    assert second.code == "second-table"
    assert second.message == "Lines 5 to 8 belong to another table below the first and were not read."


@pytest.mark.parametrize(
    "text",
    [
        # More labels than cells, which may be missing.
        "id,na,me,city\n1,Anna,Berlin\n2,Bert,Paris\n3,Cara,Rome\n",
        # Years are labels.
        "region,2019,2020\nnorth,1,5\nsouth,2,7\n",
        # A file that was cut, a short last record, a value that begins like a total.
        "id,name,city\n1,Anna,Berlin\n2,Bert,Paris\n3,Ca",
        "id,name,city\n1,Anna,Berlin\n2,Bert,Paris\n3",
        "kind,much\nTotal,5\nnet,3\nTotal,8\n",
        # Rows with few cells.
        "id,name,city,more\n1,,,\n2,Bert,Paris,x\n3,,,\n4,Dora,Bonn,\n5,,,\n",
        # A missing value below the header is no unit.
        "id,much,more\n1,n/a,-\n2,3,4\n3,5,6\n",
    ],
)
def test_when_unsure_the_first_line_is_the_header_and_all_else_are_records(text: str) -> None:
    found = plan_of(text)
    assert [guess.option for guess in found.guesses] == ["delimiter"]
    assert found.form == "as-is"


@pytest.mark.parametrize("declared", [{}, {"header": True, "delimiter": ","}])
@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("day,,qty,url", ("day", "qty", "url")),  # a delimiter too many
        ("day qty url", ("day", "qty", "url")),  # other delimiters
        ("day;qty;url", ("day", "qty", "url")),
        ('"day,qty,url', ("day", "qty", "url")),  # a quote too many
        ("day\nqty,url", ("day", "qty", "url")),  # a line end too many
        ("dayqty,url", ("column_1", "column_2", "column_3")),  # a delimiter too few
    ],
)
def test_a_damaged_header_costs_the_header(
    header: str, columns: tuple[str, ...], declared: dict[str, Any]
) -> None:
    rows = "".join(f"2024-01-{n + 10},{n},https://a.b/{n}\n" for n in range(9))
    sample = sample_of(f"{header}\n{rows}", **declared)
    assert (sample.names, len(sample.row_numbers), sample.rejected) == (columns, 9, [])
    assert [notice.code for notice in sample.notices] == ["header-damaged"]


def test_a_label_that_two_have_become_is_no_delimiter_at_the_end_of_the_rows() -> None:
    rows = "".join(f"2024-01-{n + 10},{n}.5,text,https://a.b/{n},\n" for n in range(9))
    damaged = sample_of(f"dayprice,title,url,note\n{rows}")
    assert damaged.names == ("column_1", "column_2", "column_3", "column_4", "column_5")
    trailing = sample_of(f"day,price,title,url\n{rows}")
    assert trailing.names == ("day", "price", "title", "url")
    assert (len(damaged.row_numbers), len(trailing.row_numbers)) == (9, 9)


def test_comments_between_the_rows() -> None:
    rows = [f"{n},name {n}" for n in range(20)]
    sample = sample_of("\n".join(["id,name", *rows[:9], "#9,name 9", "# a, b, c", *rows[10:], ""]))
    assert sample.plan.options.comment_char == "#"
    assert [record.errors[0].code for record in sample.rejected] == ["comment-row", "comment-row"]
    assert plan_of("song,place\n#1 hit,2\nother,3\nmore,4\nlast,5\nx,6\n").options.comment_char is None


def test_what_is_declared_is_not_overruled() -> None:
    text = "Report\n1;Anna,x;3.5\n2;Bert,y;4.5\n3;Cara,z;5.5\nSource: own\n"
    options = {"delimiter": ",", "skipLines": 0, "header": True, "headerRows": 1, "skipFooter": 0}
    assert plan_of(text, **options).guesses == ()
    assert plan_of("a;b\n1;2\n", header=False).options.header is False


def test_a_pipeline_finds_its_header_by_its_labels() -> None:
    text = "All, of it, 2024\nmade, by, me\nid,name,city\nx,Anna,Berlin\ny,Bert,Paris\n"
    sample = sample_of(text, labels=("id", "city"))
    assert (sample.names, rows_of(sample)[0]) == (("id", "name", "city"), ("x", "Anna", "Berlin"))
    title = sample_of("Report of 2024\nid;name;city\n1;Anna;Berlin\n", labels=("id", "name", "city"))
    assert title.names == ("id", "name", "city")
    narrow = sample_of("id,name\n1,7,8\n1,7,8\n", labels=("id", "name"))
    assert narrow.names == ("id", "name")
    assert [record.errors[0].code for record in narrow.rejected] == ["extra-cell", "extra-cell"]
    joined = sample_of("Person,Person,City\nFirst,Last,\nA,B,C\nD,E,F\n", labels=("Person First", "City"))
    assert joined.names == ("Person First", "Person Last", "City")


def test_the_end_of_a_large_file_is_looked_at() -> None:
    rows = "".join(f"{n},{n * 7},name {n}\n" for n in range(100_000))
    data = f"id,much,name\n{rows}\nSource: office\n".encode()
    found = plan(data[: 64 * 1024], len(data), "a.csv", ReadOptions(), tail=data[-64 * 1024 :])
    assert found.options.skip_footer == 1
    assert [notice.message for notice in found.notices] == [
        "The last record is a footer and was not read as a row."
    ]


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff", " ", '"', ",", "a", "\0"])
@pytest.mark.parametrize("declared", [{}, {"header": False}, {"skipLines": 3}, {"columns": ["a"]}])
def test_next_to_nothing_is_planned_or_refused(text: str, declared: dict[str, Any]) -> None:
    data = text.encode()
    try:
        plan(data, len(data), "a.csv", ReadOptions.model_validate(declared))
    except UnreadableFileError as error:
        assert error.reason != "FILE_UNREADABLE"
