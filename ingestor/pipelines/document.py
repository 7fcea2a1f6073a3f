"""The pipeline document: a Frictionless Table Schema, what happens to rows on the way, where they go.

Rules of the schema: https://specs.frictionlessdata.io/table-schema/. docs/pipelines.md is the user's
guide. Patterns are RE2 and are compiled by the processor, the only part of the suite that runs them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
)
from pydantic import Field as Key
from pydantic_core import PydanticCustomError

from ingestor.pipelines.errors import PipelineError, Violation, pointer
from ingestor.pipelines.formats import FixedFormat, parse_format
from ingestor.pipelines.json_text import canonical_json, read_json
from ingestor.pipelines.part import Part
from ingestor.pipelines.row_rules import MAX_CONDITIONS, Filter, RowFilter, Rule
from ingestor.pipelines.transforms import MAX_STEPS, PLUG_IN, Step, Transform, read_before_made
from ingestor.pipelines.values import (
    STRING_FORMATS,
    Value,
    ValueFormatError,
    parse_boolean,
    parse_date,
    parse_datetime,
    parse_duration,
    parse_geopoint,
    parse_integer,
    parse_json,
    parse_number,
    parse_string,
    parse_time,
    parse_year,
    parse_yearmonth,
)
from ingestor.tabular.options import OptionsError, ReadOptions, parse_options

__all__ = [
    "Constraints",
    "Field",
    "FieldType",
    "Pipeline",
    "PipelineError",
    "Sink",
    "TableSchema",
    "Violation",
    "parse_pipeline",
]

FieldType = Literal[
    "string", "integer", "number", "boolean", "date", "datetime", "time", "year", "yearmonth", "duration",
    "geopoint", "array", "object", "any",
]  # fmt: skip

# PostgreSQL allows 1600 columns; the suite adds its own.
MAX_FIELDS = 1500
# PostgreSQL's longest identifier and widest index.
MAX_NAME_BYTES = 63
MAX_KEY_FIELDS = 32
# Columns that the suite adds to a table, and those that PostgreSQL has in every table.
RESERVED_COLUMNS = frozenset(
    ("_process_id", "_row_number", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
)
RESERVED_PREFIX = "_ingestor"
# Schemas that belong to the suite or to PostgreSQL itself.
RESERVED_SCHEMAS = frozenset(("upload", "orchestrator", "processor", "status", "information_schema"))

# Constraints that fit the type, from the table in the specification.
_ORDERED = frozenset(
    ("required", "unique", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
)
_LISTED = frozenset(("required", "unique", "enum"))
_TEXT = frozenset(("required", "unique", "enum", "pattern", "minLength", "maxLength"))
ALLOWED_CONSTRAINTS: dict[FieldType, frozenset[str]] = {
    "string": _TEXT,
    "any": _TEXT,
    "time": _ORDERED,
    "year": _ORDERED,
    "yearmonth": _ORDERED,
    "duration": _LISTED,
    "geopoint": _LISTED,
    "array": frozenset(("required",)),
    "object": frozenset(("required",)),
    "integer": _ORDERED,
    "number": _ORDERED,
    "boolean": _LISTED,
    "date": _ORDERED,
    "datetime": _ORDERED,
}
# Words of the specification (or of later issues) that are understood but not run in this version.
_NOT_YET = frozenset(
    (
        "jsonSchema", "decimalChar", "groupChar", "bareNumber", "categories", "categoriesOrdered",
        "fieldsMatch",
    )
)  # fmt: skip


_PARSERS: dict[str, Callable[[str], Value]] = {
    "any": lambda text: text,
    "time": parse_time,
    "year": parse_year,
    "yearmonth": parse_yearmonth,
    "duration": parse_duration,
    "geopoint": parse_geopoint,
    "array": lambda text: parse_json(text, list),
    "object": lambda text: parse_json(text, dict),
}


def _identifier(value: str) -> str:
    if not 1 <= len(value.encode()) <= MAX_NAME_BYTES:
        raise PydanticCustomError("identifier", "must be 1 to 63 bytes long, to be a name in PostgreSQL")
    return value


def _column(value: str) -> str:
    if value in RESERVED_COLUMNS or value.startswith(RESERVED_PREFIX):
        raise PydanticCustomError("reserved", "is a name that the suite or PostgreSQL uses itself")
    return _identifier(value)


def _table(value: str) -> str:
    schema, dot, table = value.partition(".")
    for part in (schema, table) if dot else (value,):
        _identifier(part)
    if "." in table:
        raise PydanticCustomError("table", 'must be "table" or "schema.table"')
    if dot and (schema in RESERVED_SCHEMAS or schema.startswith("pg_")):
        raise PydanticCustomError("reserved", "the schema belongs to the suite or to PostgreSQL")
    return value


def _error_limit(value: Any) -> Any:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    share = isinstance(value, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%", value, re.ASCII)
    if not count and not share:
        raise PydanticCustomError("error_limit", 'must be a number of rows, or a share such as "5%"')
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Constraints(Part):
    """What the values of a field must fulfil; `minimum`, `maximum` and `enum` as the document has
    them (see Field for the values)."""

    required: bool = False
    unique: bool = False
    enum: Annotated[list[Any], Key(min_length=1)] | None = None
    pattern: Annotated[str, Key(min_length=1, max_length=10_000)] | None = None
    minimum: Any = None
    maximum: Any = None
    exclusive_minimum: Any = Key(None, alias="exclusiveMinimum")
    exclusive_maximum: Any = Key(None, alias="exclusiveMaximum")
    min_length: Annotated[int, Key(ge=0)] | None = Key(None, alias="minLength")
    max_length: Annotated[int, Key(ge=0)] | None = Key(None, alias="maxLength")


class Field(Part):
    """One column of the table."""

    name: Annotated[str, AfterValidator(_column)]
    type: FieldType
    title: str | None = None
    description: str | None = None
    example: Any = None
    rdf_type: str | None = Key(None, alias="rdfType")
    format: str = "default"
    true_values: Annotated[list[str], Key(min_length=1)] | None = Key(None, alias="trueValues")
    false_values: Annotated[list[str], Key(min_length=1)] | None = Key(None, alias="falseValues")
    constraints: Constraints = Key(default_factory=lambda: Constraints.model_validate({}))

    @cached_property
    def trues(self) -> tuple[str, ...]:
        """Words that mean true."""
        return ("true", "True", "TRUE", "1") if self.true_values is None else tuple(self.true_values)

    @cached_property
    def falses(self) -> tuple[str, ...]:
        """Words that mean false."""
        return ("false", "False", "FALSE", "0") if self.false_values is None else tuple(self.false_values)

    @cached_property
    def fixed_format(self) -> FixedFormat | None:
        """The format of a date or datetime that is not the default one."""
        if self.format == "default" or self.type not in ("date", "datetime"):
            return None
        return parse_format(self.format, "date" if self.type == "date" else "datetime")

    @cached_property
    def minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return None if self.constraints.minimum is None else self.value_of(self.constraints.minimum)

    @cached_property
    def maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return None if self.constraints.maximum is None else self.value_of(self.constraints.maximum)

    @cached_property
    def exclusive_minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        raw = self.constraints.exclusive_minimum
        return None if raw is None else self.value_of(raw)

    @cached_property
    def exclusive_maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        raw = self.constraints.exclusive_maximum
        return None if raw is None else self.value_of(raw)

    @cached_property
    def enum(self) -> tuple[Value, ...] | None:
        """The constraint as values of the field's type."""
        if self.constraints.enum is None:
            return None
        return tuple(self.value_of(item) for item in self.constraints.enum)

    def parse(self, text: str) -> Value:
        """The value that the text of a cell means. Raises ValueFormatError."""
        if self.type in _PARSERS:
            return _PARSERS[self.type](text)
        if self.type == "string":
            return parse_string(text, self.format)
        if self.type == "integer":
            return parse_integer(text)
        if self.type == "number":
            return parse_number(text)
        if self.type == "boolean":
            return parse_boolean(text, self.trues, self.falses)
        if self.fixed_format is not None:
            iso = self.fixed_format.to_iso(text)
            if iso is None or not iso.isascii():
                raise ValueFormatError(f"is not a {self.type} of the form {self.format}")
            text = iso
        return parse_date(text) if self.type == "date" else parse_datetime(text)

    def value_of(self, item: Any) -> Value:
        """The value that a constraint of the document means: JSON's own type or the text of a cell.

        Raises ValueFormatError.
        """
        if isinstance(item, str):
            return self.parse(item)
        if isinstance(item, bool):
            if self.type == "boolean":
                return item
        elif isinstance(item, int) and self.type == "year":
            return parse_year(str(item))
        elif isinstance(item, int) and self.type in ("integer", "number"):
            return parse_integer(str(item)) if self.type == "integer" else parse_number(str(item))
        elif isinstance(item, Decimal) and self.type == "number":
            return parse_number(str(item))
        raise ValueFormatError(f"is not a value of the type {self.type}")


class Reference(Part):
    """The other end of a foreign key; `resource` is a table, empty for this one."""

    resource: Annotated[str, AfterValidator(_table)]
    fields_: Annotated[
        list[str], BeforeValidator(_listed), Key(alias="fields", min_length=1, max_length=MAX_KEY_FIELDS)
    ]  # fmt: skip


class ForeignKey(Part):
    """Values that must be in another table."""

    fields_: Annotated[
        list[str], BeforeValidator(_listed), Key(alias="fields", min_length=1, max_length=MAX_KEY_FIELDS)
    ]  # fmt: skip
    reference: Reference


class TableSchema(Part):
    """The columns of the table."""

    fields_: Annotated[list[Field], Key(alias="fields", min_length=1, max_length=MAX_FIELDS)]
    dollar_schema: str | None = Key(None, alias="$schema")
    title: str | None = None
    description: str | None = None
    missing_values: list[str] = Key(default_factory=lambda: [""], alias="missingValues")
    primary_key: Annotated[
        list[str], BeforeValidator(_listed), Key(min_length=1, max_length=MAX_KEY_FIELDS)
    ] | None = Key(None, alias="primaryKey")  # fmt: skip
    unique_keys: list[Annotated[list[str], BeforeValidator(_listed), Key(min_length=1)]] = Key(
        default_factory=list, alias="uniqueKeys"
    )
    foreign_keys: list[ForeignKey] = Key(default_factory=list, alias="foreignKeys")


class Sink(Part):
    """Where the rows go."""

    table: Annotated[str, AfterValidator(_table)]
    mode: Literal["append", "upsert"] = "append"
    key: Annotated[
        list[str], BeforeValidator(_listed), Key(min_length=1, max_length=MAX_KEY_FIELDS)
    ] | None = None  # fmt: skip
    """Of an upsert; by default the schema's primaryKey."""


class Policy(Part):
    """When a process is given up: with more failed rows than `maxErrors`, a count, or a share such as
    "5%" of the rows that have an outcome (from the thousandth on, and at the end)."""

    max_errors: Annotated[Any, AfterValidator(_error_limit)] = Key(None, alias="maxErrors")
    on_error: Literal["continue", "abort"] = Key("continue", alias="onError")
    """ "abort" is maxErrors 0."""

    @property
    def max_failed(self) -> int | None:
        """The limit as a count of rows."""
        if self.on_error == "abort":
            return 0
        return self.max_errors if isinstance(self.max_errors, int) else None

    @property
    def max_failed_share(self) -> float | None:
        """The limit as a share, 0 to 1."""
        return float(self.max_errors[:-1]) / 100 if isinstance(self.max_errors, str) else None


class Pipeline(Part):
    """A whole document. Make it with parse_pipeline, which also checks what one key alone cannot show."""

    name: Annotated[str, Key(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    title: str | None = None
    description: str | None = None
    table_schema: TableSchema = Key(alias="schema")
    transforms: Annotated[list[Transform], Key(max_length=MAX_STEPS)] = Key(default_factory=list)
    filters: Annotated[list[Filter], Key(max_length=MAX_CONDITIONS)] = Key(default_factory=list)
    mapping: dict[str, str] = Key(default_factory=dict)
    dialect: dict[str, Any] = Key(default_factory=dict)
    policy: Policy = Key(default_factory=lambda: Policy.model_validate({}))
    rules: Annotated[list[Rule], Key(max_length=MAX_CONDITIONS)] = Key(default_factory=list)
    sink: Sink
    _canonical: str = PrivateAttr(default="")

    @property
    def fields(self) -> list[Field]:
        """The table's columns, in order."""
        return self.table_schema.fields_

    @property
    def missing_values(self) -> frozenset[str]:
        """Texts that stand for NULL in every column."""
        return frozenset(self.table_schema.missing_values)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names of the key's fields, empty when there is none."""
        return tuple(self.table_schema.primary_key or ())

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the fields by which the sink tells rows apart: the upsert's key, else the primary key;
        empty when there is none."""
        return tuple(self.sink.key or self.primary_key)

    def source(self, field: Field) -> str:
        """Label of the column that the field is read from: one of the file or one that a transform
        made."""
        return self.mapping.get(field.name, field.name)

    @cached_property
    def labels_of_file(self) -> tuple[str, ...]:
        """Labels of the file's columns that fields, transforms and filters read, each once: the fields'
        in their order, then the others."""
        read: dict[str, None] = {}
        made: set[str] = set()
        for step in self.transforms:
            read.update((label, None) for label in step.reads if label not in made)
            made.update(step.writes)
        for condition in self.row_filters:
            read.update((label, None) for label in condition.reads if label not in made)
        sources = dict.fromkeys(self.source(field) for field in self.fields)
        first = [label for label in sources if label in read or label not in made]
        return (*first, *(label for label in read if label not in sources))

    @cached_property
    def origins(self) -> dict[str, frozenset[str]]:
        """For each label that a transform makes or rewrites, the labels of the file's columns that go
        into it; any other label is its own origin."""
        found: dict[str, frozenset[str]] = {}
        for step in self.transforms:
            read = frozenset[str]().union(*(found.get(label, frozenset((label,))) for label in step.reads))
            found.update((label, read) for label in step.writes)
        return found

    @property
    def row_filters(self) -> list[RowFilter]:
        """The filters, in order."""
        return cast("list[RowFilter]", self.filters)  # an UnknownFilter is never valid

    def check_header(self, columns: Sequence[str]) -> list[str]:
        """Labels that the pipeline reads and the header does not have exactly once, in the order of
        labels_of_file; empty when the header fits. An ambiguous label is followed by
        " (occurs N times)". Columns that nothing reads are allowed.
        """
        found = Counter(columns)
        problems = {}
        for label in self.labels_of_file:
            if found[label] != 1:
                problems[label] = f"{label} (occurs {found[label]} times)" if found[label] else label
        return list(problems.values())

    def header_problem(self, labels: Sequence[str], options: ReadOptions) -> tuple[str, str] | None:
        """Why a file with these columns cannot be loaded, as (reason, sentence); None when it can."""
        missing = self.check_header(labels)
        if options.missing_columns == "ignore":
            missing = [label for label in missing if label in labels]
        if missing:
            return (
                "HEADER_MISMATCH",
                f"The pipeline {self.name} reads columns that the file does not have: {', '.join(missing)}.",
            )
        extra = [label for label in labels if label not in self.labels_of_file]
        if extra and options.unexpected_columns == "error":
            return (
                "EXTRA_LABEL",
                f"The file has columns that the pipeline {self.name} does not read: {', '.join(extra)}.",
            )
        return None

    def target(self) -> tuple[str, str]:
        """Schema (by default "public") and name of the table, not quoted."""
        schema, dot, table = self.sink.table.partition(".")
        return (schema, table) if dot else ("public", schema)

    def canonical_json(self) -> str:
        """The document as one text, the same for documents that differ only in blanks, escapes and the
        order of keys; parse_pipeline reads it."""
        return self._canonical


def parse_pipeline(text: str) -> Pipeline:
    """Read a pipeline document. Raises PipelineError with every problem that was found."""
    document = read_json(text)
    violations: list[Violation] = []
    pipeline = None
    try:
        pipeline = Pipeline.model_validate(document)
    except ValidationError as error:
        violations = [_violation(detail["type"], detail["loc"], detail["msg"], detail.get("ctx", {}))
                      for detail in error.errors(include_url=False, include_input=False)]  # fmt: skip
    violations.extend(_cross_checks(document))
    if pipeline is None or violations:
        raise PipelineError(violations)
    pipeline._canonical = canonical_json(document)
    return pipeline


def _violation(kind: str, path: tuple[str | int, ...], message: str, context: dict[str, Any]) -> Violation:
    if len(path) > 2 and path[0] in ("transforms", "filters"):
        if kind == "extra_forbidden" and path[2] == PLUG_IN:
            message = 'is no key of a plug-in\'s step: its own settings go into "options"'
            return Violation(pointer((*path[:2], *path[3:])), message)
        path = (*path[:2], *path[3:])  # without the tag by which the kind of step was told
    key = json.dumps(path[-1], ensure_ascii=False) if path else "the document"
    if kind == "missing":
        message = f"{key} is required"
    elif kind == "extra_forbidden":
        message = f"{key} is not supported in this version" if path[-1] in _NOT_YET else f"unknown key {key}"
    elif kind == "literal_error":
        message = f"must be {context['expected']}"
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        message = "must be an object"
    elif kind == "string_pattern_mismatch":
        message = 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"'
    else:
        message = message.replace("Input should", "must").replace("must be a valid", "must be a")
        message = re.sub("(List|Dictionary) should have", "must have", message).replace(
            "String should have", "must have"
        )
        message = message.replace("must be a integer", "must be an integer")
        message = message.replace(" after validation, not 0", "")
    return Violation(pointer(path), message)


def _cross_checks(document: Any) -> Iterator[Violation]:
    """What one key alone cannot show; looks at whatever parts of the document have the right shape."""
    if not isinstance(document, dict):
        return
    schema = document.get("schema")
    names: list[str] = []
    if isinstance(schema, dict) and isinstance(schema.get("fields"), list):
        for index, raw in enumerate(schema["fields"]):
            name = raw.get("name") if isinstance(raw, dict) else None
            if isinstance(name, str):
                if name in names:
                    yield Violation(
                        pointer(("schema", "fields", index, "name")),
                        f"a second field named {json.dumps(name)}",
                    )
                names.append(name)
            try:
                field = Field.model_validate(raw)
            except ValidationError:
                continue
            for path, message in _field_checks(field):
                yield Violation(pointer(("schema", "fields", index, *path)), message)
        yield from _key_checks(("schema", "primaryKey"), schema.get("primaryKey"), names)
        for index, fields in enumerate(_lists(schema.get("uniqueKeys"))):
            yield from _key_checks(("schema", "uniqueKeys", index), fields, names)
        for index, foreign in enumerate(_lists(schema.get("foreignKeys"))):
            if isinstance(foreign, dict):
                yield from _key_checks(
                    ("schema", "foreignKeys", index, "fields"), foreign.get("fields"), names
                )
                yield from _reference_checks(("schema", "foreignKeys", index, "reference"), foreign)
        yield from _sink_checks(document.get("sink"), schema, names)
    if isinstance(dialect := document.get("dialect"), dict):
        try:
            parse_options({key: value for key, value in dialect.items() if not key.startswith("x-")})
        except OptionsError as error:
            for path, message in error.problems:
                yield Violation(pointer(("dialect", *path)), message)
    if isinstance(mapping := document.get("mapping"), dict) and names:
        for name in mapping:
            if name not in names and not name.startswith("x-"):
                yield Violation(pointer(("mapping", name)), f"no field is named {json.dumps(name)}")

    yield from _transform_checks(document.get("transforms"))
    yield from _rule_checks(document.get("rules"), names)


_STEP: TypeAdapter[Step] = TypeAdapter(Transform)


def _transform_checks(transforms: Any) -> Iterator[Violation]:
    """Columns that are read before they are made; asked only when every step has the right shape."""
    try:
        steps = [_STEP.validate_python(raw) for raw in transforms if isinstance(transforms, list)]
    except (TypeError, ValidationError):
        return
    for number, label, later in read_before_made(steps):
        yield Violation(
            pointer(("transforms", number)),
            f"reads the column {json.dumps(label, ensure_ascii=False)}, which only the later step "
            f"{pointer(('transforms', later))} makes",
        )


def _rule_checks(rules: Any, names: list[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, raw in enumerate(rules if isinstance(rules, list) else ()):
        try:
            rule = Rule.model_validate(raw)
        except ValidationError:
            continue
        if rule.name in seen:
            message = f"a second rule named {json.dumps(rule.name, ensure_ascii=False)}"
            yield Violation(pointer(("rules", index, "name")), message)
        seen.add(rule.name)
        if unknown := [name for name in rule.parsed.columns if name not in names]:
            message = f"no field is named {json.dumps(unknown[0], ensure_ascii=False)}"
            yield Violation(pointer(("rules", index, "expression")), message)
        for place, name in enumerate(rule.fields_ or ()):
            if name not in names:
                message = f"no field is named {json.dumps(name, ensure_ascii=False)}"
                yield Violation(pointer(("rules", index, "fields", place)), message)


def _sink_checks(sink: Any, schema: dict[str, Any], names: list[str]) -> Iterator[Violation]:
    if not isinstance(sink, dict):
        return
    yield from _key_checks(("sink", "key"), sink.get("key"), names)
    if sink.get("mode") == "upsert":
        if not sink.get("key") and not schema.get("primaryKey"):
            yield Violation(pointer(("sink", "mode")), "needs a key, here or as the schema's primaryKey")
    elif "key" in sink:
        yield Violation(pointer(("sink", "key")), 'is for the mode "upsert"')


def _lists(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _reference_checks(path: tuple[str | int, ...], foreign: dict[str, Any]) -> Iterator[Violation]:
    reference = foreign.get("reference")
    if isinstance(reference, dict):
        ours, theirs = _listed(foreign.get("fields")), _listed(reference.get("fields"))
        if isinstance(ours, list) and isinstance(theirs, list) and len(ours) != len(theirs):
            yield Violation(pointer((*path, "fields")), f"must name as many fields as the key, {len(ours)}")


def _key_checks(path: tuple[str | int, ...], key: Any, names: list[str]) -> Iterator[Violation]:
    listed = [key] if isinstance(key, str) else key if isinstance(key, list) else []
    for index, name in enumerate(listed):
        at = pointer(path if isinstance(key, str) else (*path, index))
        if isinstance(name, str) and name not in names:
            yield Violation(at, f"no field is named {json.dumps(name)}")
        elif name in listed[:index]:
            yield Violation(at, f"{json.dumps(name)} is named twice")


def _field_checks(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Problems of one field, each with its path below the field."""
    formatted = True
    if field.format != "default" and not (field.type == "string" and field.format in STRING_FORMATS):
        try:
            if field.type not in ("date", "datetime"):
                formats = ", ".join(f'"{name}"' for name in STRING_FORMATS) if field.type == "string" else ""
                known = f'"default", {formats}' if formats else '"default"'
                raise ValueError(f"only {known} is supported for the type {field.type}")
            parse_format(field.format, "date" if field.type == "date" else "datetime")
        except ValueError as error:
            formatted = False
            yield ("format",), str(error)
    for key, words in (("trueValues", field.true_values), ("falseValues", field.false_values)):
        if words is not None and field.type != "boolean":
            yield (key,), f"does not apply to the type {field.type}"
    if both := [word for word in field.trues if word in field.falses]:
        yield ("trueValues",), f"{json.dumps(both[0], ensure_ascii=False)} is also among the falseValues"
    constraints = field.constraints
    for name in sorted(constraints.model_fields_set):
        key = type(constraints).model_fields[name].alias or name
        if key not in ALLOWED_CONSTRAINTS[field.type]:
            yield ("constraints", key), f"does not apply to the type {field.type}"
        elif getattr(constraints, name) is None:
            yield ("constraints", key), "must not be null"
    shortest, longest = constraints.min_length, constraints.max_length
    if shortest is not None and longest is not None and shortest > longest:
        yield ("constraints", "minLength"), "is more than maxLength"
    if formatted:
        yield from _value_checks(field)


def _value_checks(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    constraints = field.constraints
    limits: dict[str, Any] = {}
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        raw = getattr(constraints, key.replace("M", "_m") if key.startswith("ex") else key)
        if raw is None or key not in ALLOWED_CONSTRAINTS[field.type]:
            continue
        try:
            limits[key] = field.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", key), f"{_shown(raw)} {error}"
    if {"minimum", "maximum"} <= limits.keys() and limits["minimum"] > limits["maximum"]:
        yield ("constraints", "minimum"), "is more than maximum"
    for index, raw in enumerate(constraints.enum or ()):
        try:
            field.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", "enum", index), f"{_shown(raw)} {error}"


def _shown(raw: Any) -> str:
    text = canonical_json(raw)
    return text if len(text) <= 80 else text[:79] + "…"
