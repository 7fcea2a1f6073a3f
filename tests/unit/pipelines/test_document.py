"""Pipeline documents: what is accepted, and every violation with its pointer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.pipelines.document import MAX_FIELDS, Pipeline, PipelineError, PlugInSink, parse_pipeline
from ingestor.pipelines.errors import pointer
from ingestor.pipelines.names import column_for
from ingestor.tabular.options import parse_options
from ingestor.tabular.records.header import column_names


def document(**changes: Any) -> dict[str, Any]:
    """A legal document with these top-level keys replaced; None removes one."""
    base: dict[str, Any] = {
        "name": "customers",
        "schema": {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]},
        "sink": {"table": "customers"},
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def with_field(**field: Any) -> dict[str, Any]:
    """A document with one field."""
    return document(schema={"fields": [{"name": "f", "type": "string", **field}]})


def parse(value: Any) -> Pipeline:
    return parse_pipeline(json.dumps(value))


def violations(value: Any) -> dict[str, str]:
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text)
    found = {violation.pointer: violation.message for violation in caught.value.violations}
    assert len(found) == len(caught.value.violations)
    assert all(message in str(caught.value) for message in found.values())
    return found


def test_defaults() -> None:
    pipeline = parse(document())
    assert pipeline.target() == ("", "customers")
    assert pipeline.missing_values == {""}
    assert pipeline.primary_key == ()
    field = pipeline.fields[0]
    assert (field.name, field.type, field.minimum, field.enum) == ("id", "integer", None, None)


def test_everything() -> None:
    fields = [
        {"name": "n", "type": "number", "constraints": {"minimum": 0.1, "maximum": "1e3", "enum": [1, 2.50]}},
        {"name": "d", "type": "date", "format": "%d.%m.%Y", "constraints": {"minimum": "31.12.2024"}},
        {"name": "t", "type": "datetime", "constraints": {"maximum": "2024-01-01T00:00:00+01:00"}},
        {"name": "b", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"],
         "constraints": {"enum": ["nein", True]},
         "title": "T", "description": "D", "example": 1, "rdfType": "r"},
    ]  # fmt: skip
    schema = {
        "fields": fields,
        "primaryKey": ["n", "d"],
        "missingValues": ["-"],
        "$schema": "s",
        "x-own": [1],
    }
    pipeline = parse(
        document(schema=schema, mapping={"n": "N°"}, sink={"table": "a b.C", "mode": "append"}, title="T")
    )
    number, day, moment, flag = pipeline.fields
    assert (number.minimum, number.maximum, number.enum) == (
        Decimal("0.1"),
        Decimal(1000),
        (Decimal(1), Decimal("2.5")),
    )
    assert day.minimum == date(2024, 12, 31)
    assert moment.maximum == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert flag.enum == (False, True)
    assert pipeline.primary_key == ("n", "d")
    assert pipeline.target() == ("a b", "C")
    assert [pipeline.source(field) for field in pipeline.fields] == ["N°", "d", "t", "b"]


def test_check_header() -> None:
    pipeline = parse(document(mapping={"id": "No."}))
    assert pipeline.check_header(["x", "name", "No."]) == []
    assert pipeline.check_header(["id", "Name"]) == ["No.", "name"]
    assert pipeline.check_header(["No.", "name", "No._2"]) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["Id ", "name"], '"id" (the file has "Id "). The columns of the file are "Id ", "name".'),
        (["x", "nmae"], '"id", "name" (the file has "nmae"). The columns of the file are "x", "nmae".'),
        (
            ["name", *(f"c{number}" for number in range(30))],
            '"id". The columns of the file are "name", '
            + ", ".join(f'"c{number}"' for number in range(19)) + " and 11 more.",
        ),
    ],
)  # fmt: skip
def test_the_message_names_the_nearest_label(labels: list[str], message: str) -> None:
    assert _header(parse(document()), labels) == (
        "HEADER_MISMATCH",
        f"The pipeline customers reads columns that the file does not have: {message}",
    )


def test_duplicate_and_blank_labels_are_read_by_their_new_names() -> None:
    pipeline = parse(document(mapping={"id": "column_2", "name": "name_2"}))
    assert _header(pipeline, ["name", "", "name"]) is None
    assert _header(pipeline, ["name", "", "name"], duplicateColumns="ignore") == (
        "HEADER_MISMATCH",
        'The pipeline customers reads columns that the file does not have: "name_2" (the file has "name"). '
        'The columns of the file are "name", "column_2".',
    )
    assert _header(pipeline, ["name", "", "name"], unexpectedColumns="error") == (
        "EXTRA_LABEL", "The file has columns that the pipeline customers does not read: name."
    )  # fmt: skip


def test_check_header_of_transforms_and_filters() -> None:
    """The file needs what is read before it is made, and nothing that a transform makes."""
    pipeline = parse(
        document(
            transforms=[
                {"op": "split", "column": "full", "separator": " ", "into": ["first", "last"]},
                {"op": "concatenate", "columns": ["last", "first"], "into": "name"},
                {"op": "expression", "into": "id", "sql": 'CAST("No." AS INT) + CAST(id AS INT)'},
                {"op": "some-plug-in", "columns": ["x", "first"], "into": ["y"], "options": {"a": [1.5]}},
                {"column": "y", "op": "trim"},
            ],
            filters=[
                {"expression": "kind = 'a' AND y IS NULL", "reason": "r"},
                {"column": "age", "op": "not_empty", "reason": "r"},
            ],
        )
    )
    assert pipeline.check_header(["full", "No.", "id", "x", "kind", "age", "unread"]) == []
    assert pipeline.check_header(["name", "x"]) == ["id", "full", "No.", "kind", "age"]


def test_canonical_json_is_the_same_for_the_same_document() -> None:
    one = parse_pipeline(
        '{"name": "p", "schema": {"fields": [{"name": "f", "type": "number", "constraints": '
        '{"minimum": 1.50}}]}, "sink": {"table": "\\u00e9"}}'
    )
    two = parse_pipeline(
        '{ "sink":{"table":"é"}, "schema":{"fields":[{"constraints":{"minimum":1.50}, '
        '"type":"number","name":"f"}]},"name":"p"}'
    )
    assert one.canonical_json() == two.canonical_json()
    assert parse_pipeline(one.canonical_json()).canonical_json() == one.canonical_json()
    assert one.canonical_json() == (
        '{"name":"p","schema":{"fields":[{"constraints":{"minimum":1.50},"name":"f","type":"number"}]},'
        '"sink":{"table":"é"}}'
    )


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("ab/~\u00e9", max_size=3), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_own_keys_may_hold_anything_and_count(own: Any) -> None:
    text = parse({**document(), "x-own": own}).canonical_json()
    assert json.loads(text) == {**document(), "x-own": own}


@given(st.text(max_size=60))
def test_any_text_is_a_pipeline_or_a_pipeline_error(text: str) -> None:
    for candidate in (text, json.dumps({**document(), "title": text}), json.dumps({text: text})):
        try:
            parse_pipeline(candidate).canonical_json().encode()
        except PipelineError as error:
            assert error.violations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[]", "must be an object"),
        ('{"a": 1, "a": 2}', 'the key "a" occurs twice in one object'),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "is nested deeper than 50 levels"),
        ('{"a": ' + "1" * 2000 + "}", "a number has more than 1000 characters"),
        ('{"a": 1e1001}', "a number has an exponent beyond 1000"),
        ('{"a": 0e-1001}', "a number has an exponent beyond 1000"),
        ('{"a": 1e99999999999999999999}', "a number has an exponent beyond 1000"),
        (" " * (4 * 1024 * 1024 + 1), "the document is longer than 4194304 characters"),
    ],
)
def test_no_document(text: str, message: str) -> None:
    assert violations(text) == {"": message}


def test_text_that_postgresql_cannot_hold() -> None:
    assert violations('{"name": "\\u0000", "title": "\\ud800"}') == {
        "/name": "holds the character U+0000, which PostgreSQL cannot store",
        "/title": "holds half of a surrogate pair, which is not valid Unicode",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {},
            {
                "/name": '"name" is required',
                "/schema": '"schema" is required',
                "/sink": '"sink" is required',
            },
        ),
        (
            document(name="Customers"),
            {"/name": 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"'},
        ),
        (
            document(name="a\n"),
            {"/name": 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"'},
        ),
        (document(nmae="x"), {"/nmae": 'unknown key "nmae"'}),
        (
            document(policy={"maxErrors": -1}),
            {"/policy/maxErrors": 'must be a number of rows, or a share such as "5%"'},
        ),
        (document(policy={"onError": "stop"}), {"/policy/onError": "must be 'continue' or 'abort'"}),
        (document(dialect={"delimitr": ";"}), {"/dialect/delimitr": 'unknown key "delimitr"'}),
        (
            document(schema={"fields": [{"name": "id", "type": "number", "rounding": "up"}]}),
            {"/schema/fields/0/rounding": "must be 'allow'"},
        ),
        (document(schema={"fields": []}), {"/schema/fields": "must have at least 1 item"}),
        (document(schema=[]), {"/schema": "must be an object"}),
        (document(mapping={"a/b~": "x"}), {"/mapping/a~1b~0": 'no field is named "a/b~"'}),
        (document(mapping={"id": 1}), {"/mapping/id": "must be a string"}),
        (document(sink={"table": "t", "mode": "x"}), {"/sink/mode": "must be 'append' or 'upsert'"}),
        (document(sink={"table": "t", "key": "id"}), {"/sink/key": 'is for the mode "upsert"'}),
        (
            document(sink={"table": "t", "mode": "upsert", "key": ["id", "nope"]}),
            {"/sink/key/1": 'no field is named "nope"'},
        ),
        (
            document(sink={"table": "t", "mode": "upsert"}),
            {"/sink/mode": "needs a key, here or as the schema's primaryKey"},
        ),
        (
            document(sink={"table": ""}),
            {"/sink/table": "must be 1 to 63 bytes long, to be a name in PostgreSQL"},
        ),
        (
            document(sink={"table": "a."}),
            {"/sink/table": "must be 1 to 63 bytes long, to be a name in PostgreSQL"},
        ),
        (document(sink={"table": "a.b.c"}), {"/sink/table": 'must be "table" or "schema.table"'}),
        (
            document(sink={"table": "processor.pipelines"}),
            {"/sink/table": "the schema belongs to the suite or to PostgreSQL"},
        ),
        (
            document(sink={"table": "pg_catalog.x"}),
            {"/sink/table": "the schema belongs to the suite or to PostgreSQL"},
        ),
        (
            document(sink={"table": "t", "schemaDrift": "allow"}),
            {"/sink/schemaDrift": "must be 'discard', 'freeze' or 'evolve'"},
        ),
        (
            document(sink={"table": "t", "schemaDrift": "evolve"}, dialect={"unexpectedColumns": "error"}),
            {"/dialect/unexpectedColumns": 'contradicts the sink\'s schemaDrift "evolve"'},
        ),
        (
            document(sink={"tabel": "t"}),
            {"/sink/table": '"table" is required', "/sink/tabel": 'unknown key "tabel"'},
        ),
        (document(sink=7), {"/sink": "must be an object"}),
        (
            document(sink={"type": 7}),
            {"/sink/type": "must be 'table'", "/sink/table": '"table" is required'},
        ),
        (
            document(sink={"type": "Files", "folder": "x"}),
            {
                "/sink/type": 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"',
                "/sink/folder": 'is no key of a plug-in\'s sink: its own settings go into "options"',
            },
        ),
        (document(sink={"type": "files", "options": []}), {"/sink/options": "must be an object"}),
        (
            document(
                schema={
                    "fields": [{"name": "a", "type": "string", "constraints": {"unique": True}}],
                    "uniqueKeys": [["a"]],
                    "foreignKeys": [{"fields": "a", "reference": {"resource": "t", "fields": "b"}}],
                },
                sink={"type": "files"},
            ),
            dict.fromkeys(
                ("/schema/fields/0/constraints/unique", "/schema/uniqueKeys", "/schema/foreignKeys"),
                "is kept by tables in PostgreSQL only, not by a plug-in's sink",
            ),
        ),
        (
            with_field(name="é" * 32),
            {"/schema/fields/0/name": "must be 1 to 63 bytes long, to be a name in PostgreSQL"},
        ),
        (
            with_field(name="ctid"),
            {"/schema/fields/0/name": "is a name that the suite or PostgreSQL uses itself"},
        ),
        (
            with_field(name="_ingestor_x"),
            {"/schema/fields/0/name": "is a name that the suite or PostgreSQL uses itself"},
        ),
        (
            with_field(type="text"),
            {
                "/schema/fields/0/type": "must be 'string', 'integer', 'number', 'boolean', 'date', "
                "'datetime', 'time', 'year', 'yearmonth', 'duration', 'geopoint', 'geojson', 'array', "
                "'object', 'list' or 'any'"
            },
        ),
        (
            with_field(format="e-mail"),
            {
                "/schema/fields/0/format": 'only "default", "email", "uri", "uuid", "binary" is supported '
                "for the type string"
            },
        ),
        (
            with_field(type="date", format="%j.%Y"),
            {
                "/schema/fields/0/format": '"%j" is not supported in a date format; supported are '
                "%Y %y %m %b %B %d %a %A %H %I %M %S %f %p %z"
            },
        ),
        (
            with_field(type="date", format="%b/%d/%m/%Y"),
            {"/schema/fields/0/format": '"%m" says the same as %b'},
        ),
        (
            with_field(type="datetime", format="%Y-%m-%d"),
            {"/schema/fields/0/format": "%H is missing in the datetime format"},
        ),
        (
            with_field(type="datetime", format="%Y-%m-%d %H%S"),
            {"/schema/fields/0/format": "%S needs %M"},
        ),
        (with_field(type="date", format="%Y%Y%m%d"), {"/schema/fields/0/format": '"%Y" occurs twice'}),
        (
            with_field(type="date", format="%Y年%m%d"),
            {"/schema/fields/0/format": "a format may hold only printable ASCII characters"},
        ),
        (
            with_field(decimalChar=",", groupChar="."),
            dict.fromkeys(
                ("/schema/fields/0/decimalChar", "/schema/fields/0/groupChar"),
                "does not apply to the type string",
            ),
        ),
        (
            with_field(type="integer", decimalChar=","),
            {"/schema/fields/0/decimalChar": "does not apply to the type integer"},
        ),
        (
            with_field(type="number", groupChar="."),
            {"/schema/fields/0/groupChar": "is the decimalChar too"},
        ),
        (
            with_field(type="number", decimalChar="e", groupChar=",,"),
            {
                "/schema/fields/0/decimalChar": "is itself a character of numbers",
                "/schema/fields/0/groupChar": "must have at most 1 character",
            },
        ),
        (with_field(trueValues=["x"]), {"/schema/fields/0/trueValues": "does not apply to the type string"}),
        (
            with_field(type="boolean", trueValues=["x", "0"]),
            {"/schema/fields/0/trueValues": '"0" is also among the falseValues'},
        ),
        (
            with_field(type="array", constraints={"pattern": "x"}),
            {"/schema/fields/0/constraints/pattern": "does not apply to the type array"},
        ),
        (
            document(schema={"fields": [{"name": "a", "type": "string"}], "uniqueKeys": [["b"]]}),
            {"/schema/uniqueKeys/0/0": 'no field is named "b"'},
        ),
        (
            document(
                schema={
                    "fields": [{"name": "a", "type": "string"}],
                    "foreignKeys": [{"fields": "c", "reference": {"resource": "t", "fields": ["x", "y"]}}],
                }
            ),
            {
                "/schema/foreignKeys/0/fields": 'no field is named "c"',
                "/schema/foreignKeys/0/reference/fields": "must name as many fields as the key, 1",
            },
        ),
        (
            with_field(constraints={"minimum": 1}),
            {"/schema/fields/0/constraints/minimum": "does not apply to the type string"},
        ),
        (
            with_field(type="integer", constraints={"pattern": "x", "minLength": 1}),
            {
                "/schema/fields/0/constraints/pattern": "does not apply to the type integer",
                "/schema/fields/0/constraints/minLength": "does not apply to the type integer",
            },
        ),
        (
            with_field(constraints={"minLength": 3, "maxLength": 2}),
            {"/schema/fields/0/constraints/minLength": "is more than maxLength"},
        ),
        (
            with_field(constraints={"minLength": "3", "required": 1, "enum": []}),
            {
                "/schema/fields/0/constraints/required": "must be a boolean",
                "/schema/fields/0/constraints/enum": "must have at least 1 item",
                "/schema/fields/0/constraints/minLength": "must be an integer",
            },
        ),
        (
            with_field(type="integer", constraints={"minimum": 2, "maximum": 1}),
            {"/schema/fields/0/constraints/minimum": "is more than maximum"},
        ),
        (
            with_field(
                type="integer", constraints={"minimum": 1.5, "maximum": True, "enum": [1, 2**63, "x"]}
            ),
            {
                "/schema/fields/0/constraints/minimum": "1.5 is not a value of the type integer",
                "/schema/fields/0/constraints/maximum": "true is not a value of the type integer",
                "/schema/fields/0/constraints/enum/1": "9223372036854775808 is outside the range of "
                "an integer, -9223372036854775808 to 9223372036854775807",
                "/schema/fields/0/constraints/enum/2": '"x" is not an integer',
            },
        ),
        (
            with_field(type="date", constraints={"minimum": "2023-02-29", "maximum": 2024}),
            {
                "/schema/fields/0/constraints/minimum": '"2023-02-29" is not a day of the calendar',
                "/schema/fields/0/constraints/maximum": "2024 is not a value of the type date",
            },
        ),
        (
            with_field(type="number", constraints={"maximum": None}),
            {"/schema/fields/0/constraints/maximum": "must not be null"},
        ),
    ],
)
def test_violations(value: Any, expected: dict[str, str]) -> None:
    assert violations(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"transforms": {}}, {"/transforms": "must be a list"}),
        (
            {"transforms": [1, {}]},
            {"/transforms/0": "must be an object", "/transforms/1/op": '"op" is required'},
        ),
        (
            {"transforms": [{"column": "a", "op": "case", "to": "big"}, {"op": "trim"}]},
            {
                "/transforms/0/to": "must be 'upper', 'lower' or 'title'",
                "/transforms/1/column": '"column" is required',
            },
        ),
        (
            {"transforms": [{"column": "a", "op": "Trim"}, {"column": "a", "op": "cas", "to": "upper"}]},
            {
                "/transforms/0/op": 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"',
                "/transforms/1/to": 'is no key of a plug-in\'s step: its own settings go into "options"',
            },
        ),
        (
            {"transforms": [{"op": "split", "column": "a", "separator": "", "into": ["b", "b"], "max": 0}]},
            {
                "/transforms/0/separator": "must have at least 1 character",
                "/transforms/0/into": "names a column twice",
                "/transforms/0/max": "must be greater than or equal to 1",
            },
        ),
        (
            {"transforms": [{"op": "parse", "column": "a", "as": "number", "decimal": "1", "group": "e"}]},
            {
                "/transforms/0/decimal": "is itself a character of numbers",
                "/transforms/0/group": "is itself a character of numbers",
            },
        ),
        (
            {"transforms": [{"op": "parse", "column": "a", "as": "number", "group": "."}]},
            {"/transforms/0": "decimal and group are the same character"},
        ),
        (
            {"transforms": [{"op": "map", "column": "a", "values": {}, "otherwise": "drop"}]},
            {
                "/transforms/0/values": "must have at least 1 item",
                "/transforms/0/otherwise": "must be 'keep', 'error' or 'missing'",
            },
        ),
        (
            {"transforms": [{"op": "x", "column": "a", "columns": ["a"]}]},
            {"/transforms/0": "column and columns exclude each other"},
        ),
        (
            {"transforms": [{"op": "expression", "into": "a", "sql": "a +"}]},
            {"/transforms/0/sql": "ends where a value should follow"},
        ),
        (
            {
                "transforms": [
                    {"column": "full", "op": "trim"},
                    {"op": "concatenate", "columns": ["a", "b"], "into": "full"},
                ]
            },
            {"/transforms/0": 'reads the column "full", which only the later step /transforms/1 makes'},
        ),
        (
            {
                "filters": [
                    {"expression": "a = (SELECT 1)", "reason": ""},
                    {"column": "a", "op": "like", "reason": "r", "values": ["x"]},
                    {"column": "a", "op": "in", "reason": "r", "pattern": "x"},
                    {"column": "a", "op": "empty"},
                    {},
                ]
            },
            {
                "/filters/0/expression": "SELECT is not allowed: only an expression over the columns of one "
                "row is; a column of that name goes in double quotes (character 6)",
                "/filters/0/reason": "must have at least 1 character",
                "/filters/1/op": "must be 'in', 'not_in', 'matches', 'empty' or 'not_empty'",
                "/filters/2/values": '"values" is required',
                "/filters/2/pattern": 'unknown key "pattern"',
                "/filters/3/reason": '"reason" is required',
                "/filters/4/expression": '"expression" is required',
                "/filters/4/reason": '"reason" is required',
            },
        ),
        (
            {
                "rules": [
                    {"name": "r", "expression": "id > other", "fields": ["name", "nobody"]},
                    {"name": "r", "expression": "NOW() > id"},
                    {"name": "r", "expression": "id > 1", "massage": "x"},
                    {"name": "r", "expression": "id > 2"},
                ]
            },
            {
                "/rules/0/expression": 'no field is named "other"',
                "/rules/0/fields/1": 'no field is named "nobody"',
                "/rules/1/expression": "NOW is not an allowed function (character 1)",
                "/rules/2/massage": 'unknown key "massage"',
                "/rules/3/name": 'a second rule named "r"',
            },
        ),
    ],
)
def test_violations_of_transforms_filters_and_rules(value: Any, expected: dict[str, str]) -> None:
    assert violations(document(**value)) == expected


def test_a_column_may_be_rewritten_by_a_step_that_reads_it() -> None:
    steps = [
        {"column": "name", "op": "trim"},
        {"op": "concatenate", "columns": ["name", "b"], "into": "name"},
    ]
    assert parse(document(transforms=steps)).labels_of_file == ("id", "name", "b")


def _header(pipeline: Pipeline, labels: Sequence[str], **dialect: Any) -> tuple[str, str] | None:
    options = parse_options(dialect)
    columns = column_names(labels, options.duplicate_columns, options.blank_columns)
    return pipeline.header_problem(labels, columns, options)


def _drifting(drift: str | None, **keys: Any) -> Pipeline:
    sink = {"table": "t"} if drift is None else {"table": "t", "schemaDrift": drift}
    return parse(document(sink=sink, **keys))


@pytest.mark.parametrize(
    ("drift", "dialect", "reason"),
    [
        (None, {}, None),
        ("discard", {}, None),
        ("evolve", {}, None),
        ("freeze", {}, "EXTRA_LABEL"),
        # The stricter word counts, whoever says it.
        ("freeze", {"unexpectedColumns": "ignore"}, "EXTRA_LABEL"),
        ("discard", {"unexpectedColumns": "error"}, "EXTRA_LABEL"),
        ("evolve", {"unexpectedColumns": "error"}, "EXTRA_LABEL"),
    ],
)
def test_what_becomes_of_columns_that_nothing_reads(
    drift: str | None, dialect: dict[str, Any], reason: str | None
) -> None:
    problem = _header(_drifting(drift), ["more", "id", "", "name"], **dialect)
    assert (problem and problem[0]) == reason
    if problem:
        assert problem[1].endswith("does not read: more, column_3 (without a label).")
    assert _header(_drifting(drift), ["name", "id"], **dialect) is None


def test_an_evolving_table_gets_columns_of_text() -> None:
    pipeline = _drifting("evolve", mapping={"name": "Full name"}, filters=[
        {"column": "kind", "op": "not_empty", "reason": "r"}
    ])  # fmt: skip
    labels = ["new", "id", "Full name", "kind", "name", "ctid", "_ingestor_x", "é" * 40, "new", ""]
    columns = column_names(labels, "rename", "rename")
    assert pipeline.header_problem(labels, columns, parse_options({})) is None
    evolved = pipeline.evolved(columns)
    added = {field.name: evolved.source(field) for field in evolved.fields[2:]}
    assert {field.type for field in evolved.fields[2:]} == {"string"}
    assert added == {
        "new": "new",
        "name_82a3537f": "name",  # taken by the field
        "ctid_a6768917": "ctid",
        "column_0f05d1ad": "_ingestor_x",
        "é" * 27 + "_84fe2e03": "é" * 40,
        "new_2": "new_2",
        "column_10": "column_10",
    }
    assert evolved.labels_of_file == ("id", "Full name", *added.values(), "kind")
    # Only the label decides, not the columns beside it.
    assert [f.name for f in pipeline.evolved(["ctid", "é" * 40]).fields[2:]] == [
        "ctid_a6768917", "é" * 27 + "_84fe2e03"
    ]  # fmt: skip
    assert pipeline.evolved(["id", "Full name", "kind", ""]) is pipeline
    assert pipeline.fields == pipeline.table_schema.fields_[:2]
    assert _drifting("discard").evolved(columns).fields == _drifting("discard").fields


def test_a_table_that_would_evolve_too_far() -> None:
    problem = _header(_drifting("evolve"), ["id", "name", *(f"c{number}" for number in range(MAX_FIELDS))])
    assert problem == (
        "TOO_MANY_COLUMNS", f"With the file's own columns the table would have more than {MAX_FIELDS}."
    )  # fmt: skip
    made = column_for("ctid", ())
    problem = _header(_drifting("evolve"), ["id", "name", "ctid", made])
    assert problem == (
        "EXTRA_LABEL", f"The file's columns ctid and {made} would become the same column {made}."
    )  # fmt: skip


def test_a_sink_of_an_outside_package() -> None:
    pipeline = parse(document(
        schema={"fields": [{"name": "id", "type": "integer"}], "primaryKey": "id"},
        sink={"type": "somewhere", "options": {"share": 0.1}, "schemaDrift": "freeze", "x-note": 1},
    ))  # fmt: skip
    assert isinstance(pipeline.sink, PlugInSink)
    assert pipeline.sink.options == {"share": Decimal("0.1")}
    assert (pipeline.target(), pipeline.key) == (("", "customers"), ("id",))
    assert parse(document(sink={"type": "table", "table": "t"})).target() == ("", "t")


def test_all_problems_are_listed_at_once() -> None:
    fields = [
        {"name": "a", "tpe": "integer"},
        {"name": "a", "type": "integer", "constraints": {"minimum": "x"}},
        7,
    ]
    value = document(schema={"fields": fields, "primaryKey": ["a", "b", "a"]}, mapping={"c": "C"}, sink={})
    assert violations(value) == {
        "/schema/fields/0/type": '"type" is required',
        "/schema/fields/0/tpe": 'unknown key "tpe"',
        "/schema/fields/2": "must be an object",
        "/sink/table": '"table" is required',
        "/schema/fields/1/name": 'a second field named "a"',
        "/schema/fields/1/constraints/minimum": '"x" is not an integer',
        "/schema/primaryKey/1": 'no field is named "b"',
        "/schema/primaryKey/2": '"a" is named twice',
        "/mapping/c": 'no field is named "c"',
    }


def test_too_many_fields() -> None:
    fields = [{"name": f"f{number}", "type": "string"} for number in range(MAX_FIELDS + 1)]
    assert list(violations(document(schema={"fields": fields}))) == ["/schema/fields"]
    assert len(parse(document(schema={"fields": fields[:-1]})).fields) == MAX_FIELDS


def test_pointer() -> None:
    assert pointer(()) == ""
    assert pointer(("a/b", 0, "~")) == "/a~1b/0/~0"
