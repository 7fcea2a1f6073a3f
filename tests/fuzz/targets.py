"""What is fuzzed: parsers of what strangers send. A target takes bytes, or refuses them as it promises."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ingestor.pipelines.document import parse_pipeline
from ingestor.pipelines.errors import PipelineError
from ingestor.pipelines.expressions import ExpressionError, parse_expression
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.grpc.requests import make_token, read_token
from ingestor.services.status.filters import FilterError, parse_filter
from ingestor.services.status.service import PROCESS_FIELDS, ROW_FIELDS
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.tables import open_table
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import OptionsError, ReadOptions, parse_options
from ingestor.tabular.parsers.xlsx.styles import style_of
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.header import HeaderError
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.syntax import Dialect
from tests.unit.tabular.workbooks.building import packed, parts_of, sheet_xml


@dataclass(frozen=True)
class Target:
    """A parser, and what it usually gets."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: Sequence[str] = ()  # what inputs are made of


def _text(data: bytes) -> str:
    """Any bytes as a text that a call can have."""
    return data.decode(errors="ignore")


def _scanner(data: bytes) -> None:
    dialect = (Dialect(), Dialect(";"), Dialect("\t", "'"))[data[0] % 3 if data else 0]
    scan = scan_records(data, dialect, final=True)
    exact = list(read_exact(data, dialect, limits=DEFAULT_LIMITS))
    assert scan.starts.tolist() == [record.start for record in exact]
    assert scan.lines.tolist() == [record.line for record in exact]
    assert scan.broken.tolist() == [at for at, record in enumerate(exact) if record.broken]


def _number_format(data: bytes) -> None:
    style_of(_text(data))


def _file(parser: str, data: bytes) -> None:
    try:
        with open_table(io.BytesIO(data), parser, ReadOptions(), DEFAULT_LIMITS) as table:
            for _ in table.blocks():
                pass
    except HeaderError:
        return
    except UnreadableFileError as error:
        # The reason of failures that no parser expects.
        if error.reason == "FILE_UNREADABLE":
            raise


def _json(data: bytes) -> None:
    _file("json", data)


def _json_lines(data: bytes) -> None:
    _file("jsonl", data)


def _workbook(data: bytes) -> None:
    """A workbook: its sheet, U+0000, its texts, U+0000, its styles."""
    sheet, _, more = _text(data).partition("\0")
    strings, _, formats = more.partition("\0")
    parts = parts_of({"S": sheet}, shared=[strings])
    if formats:
        parts["xl/styles.xml"] = formats
    _file("xlsx", packed(parts))


def _filter(data: bytes) -> None:
    for fields in (ROW_FIELDS, PROCESS_FIELDS):
        with suppress(FilterError):
            parse_filter(_text(data), fields)


def _expression(data: bytes) -> None:
    with suppress(ExpressionError):
        parse_expression(_text(data))


def _page_token(data: bytes) -> None:
    # Once as it is, and once with the digest that the service looks for.
    token = base64.urlsafe_b64encode(data).decode().rstrip("=")
    digest = json.loads(base64.urlsafe_b64decode(make_token("scope", 1) + "=="))[0]
    known = base64.urlsafe_b64encode(f'["{digest}", {_text(data)}]'.encode()).decode().rstrip("=")
    for one in (_text(data), token, known):
        with suppress(InvalidArgumentError):
            read_token("scope", one, int)
        with suppress(InvalidArgumentError):
            read_token("scope", one, str)


def _options(data: bytes) -> None:
    with suppress(OptionsError):
        parse_options(_text(data))


def _document(data: bytes) -> None:
    with suppress(PipelineError):
        parse_pipeline(_text(data))


_SHEET = sheet_xml([["id", "name"], [1, "a"]], merged=["A1:B1"], hidden=[2])
_DOCUMENT = {
    "name": "p",
    "schema": {"fields": [{"name": "id", "type": "integer", "constraints": {"required": True}}]},
    "transforms": [{"set": "id", "expression": "CAST(id AS INT) + 1"}],
    "filters": [{"name": "f", "where": "id > 1"}],
    "sink": {"table": "t", "mode": "upsert"},
}
# The words of the languages, of which fuzzing makes inputs too.
_JSON = (
    "{", "}", "[", "]", ":", ",", '"', "\\u0000", "\\ud83d", "1e999", "-0", "null", "true", "NaN", "9" * 20,
)  # fmt: skip
_SQL = (
    "CASE WHEN ", " THEN ", " ELSE ", " END", "CAST(", " AS ", "INT", "DECIMAL(9, 2)", " AND ", " OR ",
    "NOT ", " IN (", " IS NULL", " BETWEEN ", " LIKE ", "UPPER(", "SUBSTRING(", "COALESCE(", "||", "<=",
    "<>", "'", "(", ")", "-", "1.5e9",
)  # fmt: skip
_KEYS = (
    "name", "schema", "fields", "type", "integer", "format", "constraints", "required", "pattern", "enum",
    "jsonSchema", "primaryKey", "foreignKeys", "reference", "transforms", "set", "expression", "replace",
    "filters", "where", "rules", "sink", "table", "mode", "mapping", "policy", "maxErrors", "dialect",
)  # fmt: skip
_OPTIONS = (
    "delimiter", "encoding", "quoteChar", "header", "headerRows", "headerJoin", "sheet", "path", "format",
    "columns", "skipLines", "skipFooter", "commentChar", "utf-8", "idna", "compression",
)  # fmt: skip
_FORMATS = (
    "[", "]", '"', "\\", ";", "_", "*", "h", "yy", "mm", "ss", "0", "#", "%", ".", "General", "[$-409]",
    "[Red]", "@", "am/pm",
)  # fmt: skip
_XML = (
    "<row", "<c", ' r="', ' t="s"', ' t="inlineStr"', ' t="b"', ' t="e"', ' t="d"', ' s="1"', "<v>", "</v>",
    "<is>", "<t>", "<f>", "<mergeCell", ' ref="', "XFD", "1048576", "&amp;", "&#0;", "<![CDATA[",
    "<!DOCTYPE", "1e308", "-1",
)  # fmt: skip
_FIELDS = (
    "status", "code", "field", "row", "line", "state", "pipeline", "file_name", "repairs", "create_time",
)  # fmt: skip
_OPERATORS = ("=", "!=", "<=", ">=", "<", ">", ":")
_FILTERS = tuple(f'{field}{sign}"7" AND {field}=x'.encode() for field in _FIELDS for sign in _OPERATORS)
_VALUES = ("FAILED", " AND ", '"', "\\", "9", "9" * 18, "0001-01-01", "9999-12-31T23:59-23:59")
TARGETS: Mapping[str, Target] = {
    "scanner": Target(
        _scanner,
        (b'a,b\r\n1,"x\ny"\n', b'a;"b"";"\n\n', b'"a"b,\r'),
        ('"', '""', "\r\n", "\r", "\n", ",", ";", "\t", "'"),
    ),
    "number-format": Target(
        _number_format, (b'[h]:mm;@"x"\\y', b"yyyy-mm-dd", b"0.00%;[Red]-0", b"00000;-00000"), _FORMATS
    ),
    "json": Target(
        _json, (b'[{"a": 1, "b": [1e5, null]}, {"a": "\\ud83d\\ude00"}]', b'{"x": [{"a": 1}]}'), _JSON
    ),
    "json-lines": Target(_json_lines, (b'{"a": 1}\n{"b": "x"}\n', b"[1, 2]\n"), (*_JSON, "\n")),
    "workbook": Target(_workbook, (_SHEET.encode(), f"{_SHEET}\0<t>a</t>\0<styleSheet/>".encode()), _XML),
    "filter": Target(
        _filter,
        (*_FILTERS, b"create_time<2026-01-31T12:00+01:00"),
        (*_FIELDS, *_OPERATORS, *_VALUES),
    ),
    "expression": Target(
        _expression,
        (b"CASE WHEN a > 1 THEN 'x' ELSE UPPER(b) END", b"a IN (1, 2) AND b IS NULL", b"CAST(a AS INT) + 1"),
        _SQL,
    ),
    "page-token": Target(_page_token, (b'"x"', b"12345", make_token("scope", 5).encode()), _JSON),
    "options": Target(
        _options,
        (b'{"delimiter": ";", "headerRows": [1, 2]}', b'{"encoding": "latin-1"}'),
        (*_JSON, *_OPTIONS),
    ),
    "document": Target(_document, (json.dumps(_DOCUMENT).encode(),), (*_JSON, *_KEYS, *_SQL)),
}
