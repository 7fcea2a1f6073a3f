"""The `dialect` of a pipeline or an upload: what is declared about how to read a file.

The options for delimited text come from the Frictionless CSV Dialect
(https://specs.frictionlessdata.io/csv-dialect/) and Frictionless's Python framework.
"""

from __future__ import annotations

import codecs
import json
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ingestor.tabular.limits import DEFAULT_LIMITS

Policy = Literal["error", "rename", "ignore"]
Compression = Literal["none", "gzip", "zstd", "zip"]
MAX_DELIMITER = 8  # characters
MAX_DIALECT = 2**20  # characters of the document
_MAX_NAME = 255  # characters of the name of a format, an encoding or a sheet
_MAX_JOIN = 100  # characters between two labels
_MAX_PATH = 1000  # characters of a path in a JSON document
_MAX_LABEL = 1000  # characters of a declared label


class OptionsError(Exception):
    """A dialect is invalid; `problems` are (path within the dialect, sentence)."""

    def __init__(self, problems: list[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(f"{'/'.join(map(str, path))}: {message}" for path, message in problems))
        self.problems = problems


def _character(value: str) -> str:
    if len(value) != 1 or value in "\r\n\0":
        raise PydanticCustomError("character", "must be a single character and not a line end")
    return value


def _delimiter(value: str) -> str:
    if not 1 <= len(value) <= MAX_DELIMITER or any(character in value for character in "\r\n\0"):
        raise PydanticCustomError(
            "delimiter", f"must have 1 to {MAX_DELIMITER} characters, none of them a line end"
        )
    return value


def _labels(value: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(value) <= DEFAULT_LIMITS.max_columns:
        raise PydanticCustomError(
            "columns", f"must have 1 to {DEFAULT_LIMITS.max_columns} labels, one for each column of the file"
        )
    if any(len(label) > _MAX_LABEL for label in value):
        raise PydanticCustomError("columns", f"must not hold labels of more than {_MAX_LABEL} characters")
    if any("\0" in label for label in value):
        raise PydanticCustomError("columns", "must not hold NUL characters")
    return value


# What text is written in. Python knows more, which are no encodings of files (idna, punycode, unicode_escape)
# or never decode (undefined).
ENCODINGS = frozenset(
    [
        "ascii",
        "utf_8",
        "utf_8_sig",
        "utf_16",
        "utf_16_be",
        "utf_16_le",
        "utf_32",
        "utf_32_be",
        "utf_32_le",
        "latin_1",
        "iso8859_1",
        "iso8859_2",
        "iso8859_3",
        "iso8859_4",
        "iso8859_5",
        "iso8859_6",
        "iso8859_7",
        "iso8859_8",
        "iso8859_9",
        "iso8859_10",
        "iso8859_11",
        "iso8859_13",
        "iso8859_14",
        "iso8859_15",
        "iso8859_16",
        "cp037",
        "cp273",
        "cp424",
        "cp437",
        "cp500",
        "cp720",
        "cp737",
        "cp775",
        "cp850",
        "cp852",
        "cp855",
        "cp856",
        "cp857",
        "cp858",
        "cp860",
        "cp861",
        "cp862",
        "cp863",
        "cp864",
        "cp865",
        "cp866",
        "cp869",
        "cp874",
        "cp875",
        "cp932",
        "cp949",
        "cp950",
        "cp1006",
        "cp1026",
        "cp1125",
        "cp1140",
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "big5",
        "big5hkscs",
        "euc_jp",
        "euc_jis_2004",
        "euc_jisx0213",
        "euc_kr",
        "gb2312",
        "gbk",
        "gb18030",
        "hz",
        "johab",
        "iso2022_jp",
        "iso2022_jp_1",
        "iso2022_jp_2",
        "iso2022_jp_2004",
        "iso2022_jp_3",
        "iso2022_jp_ext",
        "iso2022_kr",
        "shift_jis",
        "shift_jis_2004",
        "shift_jisx0213",
        "koi8_r",
        "koi8_t",
        "koi8_u",
        "kz1048",
        "ptcp154",
        "tis_620",
        "hp_roman8",
        "palmos",
        "mac_arabic",
        "mac_croatian",
        "mac_cyrillic",
        "mac_farsi",
        "mac_greek",
        "mac_iceland",
        "mac_latin2",
        "mac_roman",
        "mac_romanian",
        "mac_turkish",
    ]
)


def _encoding(value: str) -> str:
    # Not by codecs.lookup, which remembers every name that it was asked for.
    name = normalize_encoding(value[:_MAX_NAME]).lower()
    name = aliases.get(name, name)
    if len(value) > _MAX_NAME or name not in ENCODINGS:
        raise PydanticCustomError("encoding", "is not the name of a text encoding that is read")
    return codecs.lookup(name).name


def _sheet(value: str | int) -> str | int:
    if isinstance(value, str) and len(value) > _MAX_NAME:
        raise PydanticCustomError("sheet", f"must have at most {_MAX_NAME} characters")
    return value


Character = Annotated[str, AfterValidator(_character)]
Labels = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_labels)]


_KEEP_TYPES = frozenset(("xlsx", "json", "jsonl", "parquet"))


class ReadOptions(BaseModel):
    """Declared options; those that are None are detected."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    format: Annotated[str, Field(max_length=_MAX_NAME)] | None = None
    """Name of a parser: "csv", "jsonl", "json", "xlsx", "parquet" or a plug-in's."""
    compression: Compression | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    skip_initial_space: bool = Field(False, alias="skipInitialSpace")
    """Blanks at the beginning of a cell are not part of it. With the delimiter " ", columns are aligned with
    blanks: a run of them is one delimiter, and those around a record are none."""
    quote_char: Character | None = Field(None, alias="quoteChar")
    """None stands for `"`."""
    quoting: bool = True
    """False: a quote character is text like any other."""
    empty_quoted: Literal["null", "text"] = Field("null", alias="emptyQuoted")
    """"text": a missing value in quotes is text; so `""` is empty text."""
    double_quote: bool = Field(True, alias="doubleQuote")
    escape_char: Character | None = Field(None, alias="escapeChar")
    comment_char: Character | None = Field(None, alias="commentChar")
    """Records that begin with this character are skipped."""
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(0, alias="skipLines")
    """Physical lines before the header to skip (a preamble)."""
    skip_footer: Annotated[int, Field(ge=0, le=10_000)] = Field(0, alias="skipFooter")
    """Records at the end of the file to skip."""
    header: bool = True
    """False: the file has no header; its columns are named column_1, column_2, ..."""
    header_rows: Annotated[int, Field(ge=1, le=100)] = Field(1, alias="headerRows")
    """Records that make up the header; the labels of one column are joined."""
    header_join: Annotated[str, Field(max_length=_MAX_JOIN)] = Field(" ", alias="headerJoin")
    columns: Labels | None = None
    """Labels of the columns. The header, if there is one, is skipped whatever it says."""
    row_names: bool = Field(False, alias="rowNames")
    """Rows are one cell wider than the header; their first cell is the column `row_name`."""
    ragged: Literal["error", "pad"] = "error"
    """Records narrower than the header: reject them, or fill them with nulls. Wider records are always
    rejected, but see `extraEmptyCells`."""
    extra_empty_cells: Literal["drop", "error"] | None = Field(None, alias="extraEmptyCells")
    """Cells beyond the last column that are all empty: drop them, or reject the record. Detected: they are
    dropped where most records of the file's beginning have some."""
    sheet: Annotated[str | Annotated[int, Field(ge=1)], AfterValidator(_sheet)] | None = None
    """Name or number (from 1) of a spreadsheet's sheet; by default the first."""
    path: Annotated[str, Field(max_length=_MAX_PATH)] | None = None
    """Where in a JSON document the array of rows is: names joined by dots. "": the document is the array, or
    its objects are the rows."""
    duplicate_columns: Policy = Field("rename", alias="duplicateColumns")
    blank_columns: Policy = Field("rename", alias="blankColumns")
    missing_columns: Literal["error", "ignore"] = Field("error", alias="missingColumns")
    """Columns that the pipeline reads and the file lacks: fail the file, or read them as missing values."""
    unexpected_columns: Literal["error", "ignore"] = Field("ignore", alias="unexpectedColumns")
    """Columns of the file that the pipeline does not read."""

    @model_validator(mode="after")
    def _consistent(self) -> ReadOptions:
        quote = self.quote if self.quoting else None
        delimiter = self.delimiter or ""
        for name, value in (
            ("quoteChar", quote), ("commentChar", self.comment_char), ("escapeChar", self.escape_char)
        ):  # fmt: skip
            if value is not None and value in delimiter:
                raise PydanticCustomError("same", f"delimiter and {name} must differ")
        if quote is not None and quote == self.comment_char:
            raise PydanticCustomError("same", "quoteChar and commentChar must differ")
        if self.row_names and (self.columns is not None or not self.header):
            raise PydanticCustomError(
                "row_names", "rowNames goes with a header; columns name the column of the row names, too"
            )
        return self

    @property
    def quote(self) -> str:
        """The quote character."""
        return self.quote_char or '"'

    @property
    def keeps_types(self) -> bool:
        """Whether files of the format keep numbers, dates and truth values typed."""
        return self.format in _KEEP_TYPES

    def to_json(self) -> str:
        """The declared options as a dialect document."""
        return json.dumps(self.model_dump(by_alias=True, exclude_unset=True), ensure_ascii=False)

    def over(self, other: ReadOptions) -> ReadOptions:
        """These options; where one is not declared, the other's. Raises OptionsError when they do not go
        together."""
        ours = self.model_dump(by_alias=True, exclude_unset=True)
        return parse_options(other.model_dump(by_alias=True, exclude_unset=True) | ours)


def parse_options(document: Any) -> ReadOptions:
    """Parse a dialect: a JSON object, as text or already decoded. Raises OptionsError with every problem."""
    if isinstance(document, str):
        if len(document) > MAX_DIALECT:
            raise OptionsError([((), f"must have at most {MAX_DIALECT} characters")])
        try:
            document = json.loads(document or "{}")
        except ValueError as error:
            raise OptionsError([((), f"is not JSON: {error}")]) from None
        except RecursionError:
            raise OptionsError([((), "is nested too deeply")]) from None
    try:
        return ReadOptions.model_validate(document)
    except ValidationError as error:
        raise OptionsError(
            [
                (detail["loc"], _message(detail["type"], detail["loc"], detail["msg"]))
                for detail in error.errors(include_url=False, include_input=False)
            ]
        ) from None


def pipeline_options(document_json: str) -> ReadOptions:
    """The dialect of a valid pipeline document, without its `x-` keys."""
    dialect = json.loads(document_json).get("dialect", {})
    return parse_options({key: value for key, value in dialect.items() if not key.startswith("x-")})


def pipeline_labels(document_json: str) -> tuple[str, ...]:
    """The labels that the fields of a pipeline document are read from; none of a document that is wrong,
    which the suite will say."""
    document = json.loads(document_json)
    try:
        mapping = document.get("mapping", {})
        names = [field["name"] for field in document["schema"]["fields"]]
        return tuple(str(mapping.get(name, name)) for name in names)
    except (AttributeError, KeyError, TypeError):
        return ()


def _message(kind: str, path: tuple[str | int, ...], message: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown key {json.dumps(path[-1], ensure_ascii=False)}"
    return (
        message.replace("Input should", "must")
        .replace("String should", "must")
        .replace("must be a valid", "must be a")
    )
