"""The pipeline document: a Frictionless Table Schema, what happens to rows on the way, where they go.

Rules of the schema: https://specs.frictionlessdata.io/table-schema/. docs/guides/pipelines is the user's
guide. Patterns are RE2 and are compiled by the processor, the only part of the suite that runs them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
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
from ingestor.pipelines.field import (
    Constraints,
    Field,
    FieldType,
    MissingValue,
    MissingValues,
    field_problems,
)
from ingestor.pipelines.names import column_for, listed, table
from ingestor.pipelines.part import Part
from ingestor.pipelines.row_rules import MAX_CONDITIONS, Filter, RowFilter, Rule
from ingestor.pipelines.sinks import MAX_KEY_FIELDS, PlugInSink, Sink, TableSink
from ingestor.pipelines.sinks import PLUG_IN as PLUG_IN_SINK
from ingestor.pipelines.sinks import TABLE as TABLE_SINK
from ingestor.pipelines.transforms import MAX_STEPS, PLUG_IN, Step, Transform, read_before_made
from ingestor.tabular.options import OptionsError, ReadOptions, parse_options
from ingestor.types.json_text import canonical_json, read_json

__all__ = [
    "Constraints",
    "Field",
    "FieldType",
    "Pipeline",
    "PipelineError",
    "PlugInSink",
    "TableSchema",
    "TableSink",
    "Violation",
    "parse_pipeline",
]

FieldsMatch = Literal["exact", "equal", "subset", "superset", "partial"]

# PostgreSQL allows 1600 columns; the suite adds its own.
MAX_FIELDS = 1500


def _error_limit(value: Any) -> Any:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    share = isinstance(value, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%", value, re.ASCII)
    if not count and not share:
        raise PydanticCustomError("error_limit", 'must be a number of rows, or a share such as "5%"')
    return value


class Reference(Part):
    """The other end of a foreign key; `resource` is a table, empty for this one."""

    resource: Annotated[str, AfterValidator(table)]
    fields_: Annotated[
        list[str], BeforeValidator(listed), Key(alias="fields", min_length=1, max_length=MAX_KEY_FIELDS)
    ]  # fmt: skip


class ForeignKey(Part):
    """Values that must be in another table."""

    fields_: Annotated[
        list[str], BeforeValidator(listed), Key(alias="fields", min_length=1, max_length=MAX_KEY_FIELDS)
    ]  # fmt: skip
    reference: Reference


class TableSchema(Part):
    """The columns of the table."""

    fields_: Annotated[list[Field], Key(alias="fields", min_length=1, max_length=MAX_FIELDS)]
    dollar_schema: str | None = Key(None, alias="$schema")
    title: str | None = None
    description: str | None = None
    fields_match: FieldsMatch | None = Key(None, alias="fieldsMatch")
    missing_values: MissingValues = Key(
        default_factory=lambda: [MissingValue.model_validate({"value": ""})], alias="missingValues"
    )
    primary_key: Annotated[
        list[str], BeforeValidator(listed), Key(min_length=1, max_length=MAX_KEY_FIELDS)
    ] | None = Key(None, alias="primaryKey")  # fmt: skip
    unique_keys: list[Annotated[list[str], BeforeValidator(listed), Key(min_length=1)]] = Key(
        default_factory=list, alias="uniqueKeys"
    )
    foreign_keys: list[ForeignKey] = Key(default_factory=list, alias="foreignKeys")


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
        """Texts that stand for NULL in every column whose field has none of its own."""
        return frozenset(missing.value for missing in self.table_schema.missing_values)

    def missing_values_of(self, field: Field) -> frozenset[str]:
        """Texts that stand for NULL in a field's column."""
        if field.missing_values is None:
            return self.missing_values
        return frozenset(missing.value for missing in field.missing_values)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names of the key's fields, empty when there is none."""
        return tuple(self.table_schema.primary_key or ())

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the fields by which the sink tells rows apart: the upsert's key, else the primary key;
        empty when there is none."""
        own = self.sink.key if isinstance(self.sink, TableSink) else None
        return tuple(own or self.primary_key)

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

    def header_problem(
        self, labels: Sequence[str], columns: Sequence[str], options: ReadOptions
    ) -> tuple[str, str] | None:
        """Why a file with these labels in its header, whose columns are called so (see TableHead), cannot be
        loaded, as (reason, sentence); None when it can."""
        match = self.table_schema.fields_match
        lacking = self.check_header(labels)
        if options.missing_columns == "ignore":
            lacking = [label for label in lacking if label in labels]
        elif match in ("superset", "partial"):
            may_lack = {self.source(field) for field in self.fields}.difference(labels)
            lacking = [label for label in lacking if label not in may_lack]
        if lacking:
            return (
                "HEADER_MISMATCH",
                f"The pipeline {self.name} reads columns that the file does not have: {', '.join(lacking)}.",
            )
        drift = self.sink.schema_drift
        extra = [label or "(blank)" for label in labels if label not in self.labels_of_file]
        strict = drift == "freeze" or match in ("exact", "equal", "superset")
        if extra and (options.unexpected_columns == "error" or strict):
            return (
                "EXTRA_LABEL",
                f"The file has columns that the pipeline {self.name} does not read: {', '.join(extra)}.",
            )
        expected = [label for label in self.labels_of_file if label in labels]
        if match == "exact" and list(labels) != expected:
            return (
                "HEADER_MISMATCH",
                f"The pipeline {self.name} wants the columns in this order: {', '.join(expected)}.",
            )
        none = not any(self.source(field) in labels for field in self.fields)
        if match == "partial" and none and options.missing_columns != "ignore":
            return (
                "HEADER_MISMATCH",
                f"The file has none of the columns that the fields of the pipeline {self.name} read.",
            )
        return self._evolution_problem(columns) if drift == "evolve" else None

    def _evolution_problem(self, columns: Sequence[str]) -> tuple[str, str] | None:
        added = self._added_columns(columns)
        if len(self.fields) + len(added) > MAX_FIELDS:
            return (
                "TOO_MANY_COLUMNS",
                f"With the file's own columns the table would have more than {MAX_FIELDS}.",
            )
        labels: dict[str, str] = {}
        for label, name in added.items():
            if name in labels:
                return (
                    "EXTRA_LABEL",
                    f"The file's columns {labels[name]} and {label} would become the same column {name}.",
                )
            labels[name] = label
        return None

    def _added_columns(self, columns: Sequence[str]) -> dict[str, str]:
        """The names that columns of the file which nothing reads get in the table, by label."""
        read, names = set(self.labels_of_file), {field.name for field in self.fields}
        return {label: column_for(label, names) for label in columns if label and label not in read}

    def evolved(self, columns: Sequence[str]) -> Pipeline:
        """The pipeline for a file whose columns are called so: with schemaDrift "evolve" it has a field of
        text more for each column that nothing reads. header_problem has found nothing."""
        if self.sink.schema_drift != "evolve" or not (added := self._added_columns(columns)):
            return self
        fields = [Field.model_validate({"name": name, "type": "string"}) for name in added.values()]
        schema = self.table_schema.model_copy(update={"fields_": [*self.fields, *fields]})
        mapping = {**self.mapping, **{name: label for label, name in added.items()}}
        made = self.model_copy(update={"table_schema": schema, "mapping": mapping})
        made.__dict__.pop("labels_of_file", None)  # a cached property, copied with the rest
        return made

    def target(self) -> tuple[str, str]:
        """Schema (by default "public") and name of the table, not quoted; of a plug-in the schema is empty,
        and the name is the pipeline's."""
        if not isinstance(self.sink, TableSink):
            return "", self.name
        schema, dot, name = self.sink.table.partition(".")
        return (schema, name) if dot else ("public", schema)

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
    if len(path) > 1 and path[0] == "sink" and path[1] in (TABLE_SINK, PLUG_IN_SINK):
        if kind == "extra_forbidden" and path[1] == PLUG_IN_SINK:
            message = 'is no key of a plug-in\'s sink: its own settings go into "options"'
            return Violation(pointer(("sink", *path[2:])), message)
        path = ("sink", *path[2:])
    key = json.dumps(path[-1], ensure_ascii=False) if path else "the document"
    if kind == "missing":
        message = f"{key} is required"
    elif kind == "extra_forbidden":
        message = f"unknown key {key}"
    elif kind == "literal_error":
        message = f"must be {context['expected']}"
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        message = "must be an object"
    elif kind == "string_pattern_mismatch":
        message = 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"'
    else:
        message = message.replace("Input should", "must").replace("must be a valid", "must be a")
        message = re.sub("(List|Dictionary|Value) should have", "must have", message).replace(
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
            for path, message in field_problems(field):
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
        sink = document.get("sink")
        drift = sink.get("schemaDrift") if isinstance(sink, dict) else None
        if dialect.get("unexpectedColumns") == "error" and drift == "evolve":
            message = 'contradicts the sink\'s schemaDrift "evolve"'
            yield Violation(pointer(("dialect", "unexpectedColumns")), message)
    yield from _fields_match_checks(document)
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
    if sink.get("type", TABLE_SINK) != TABLE_SINK:
        yield from _plug_in_sink_checks(schema)
        return
    yield from _key_checks(("sink", "key"), sink.get("key"), names)
    if sink.get("mode") == "upsert":
        if not sink.get("key") and not schema.get("primaryKey"):
            yield Violation(pointer(("sink", "mode")), "needs a key, here or as the schema's primaryKey")
    elif "key" in sink:
        yield Violation(pointer(("sink", "key")), 'is for the mode "upsert"')


def _fields_match_checks(document: dict[str, Any]) -> Iterator[Violation]:
    """What else a document says of columns that come and go."""
    schema, dialect, sink = (document.get(key) for key in ("schema", "dialect", "sink"))
    match = schema.get("fieldsMatch") if isinstance(schema, dict) else None
    if not isinstance(match, str):
        return
    message = f'contradicts the schema\'s fieldsMatch "{match}"'
    drift = sink.get("schemaDrift") if isinstance(sink, dict) else None
    if drift == "evolve" and match in ("exact", "equal", "superset"):
        yield Violation(pointer(("sink", "schemaDrift")), message)
    lacking = dialect.get("missingColumns") if isinstance(dialect, dict) else None
    if lacking == "ignore" and match in ("exact", "equal", "subset"):
        yield Violation(pointer(("dialect", "missingColumns")), message)


def _plug_in_sink_checks(schema: dict[str, Any]) -> Iterator[Violation]:
    """What only a table can keep."""
    message = "is kept by tables in PostgreSQL only, not by a plug-in's sink"
    for index, field in enumerate(_lists(schema.get("fields"))):
        constraints = field.get("constraints") if isinstance(field, dict) else None
        if isinstance(constraints, dict) and constraints.get("unique"):
            yield Violation(pointer(("schema", "fields", index, "constraints", "unique")), message)
    for key in ("uniqueKeys", "foreignKeys"):
        if schema.get(key):
            yield Violation(pointer(("schema", key)), message)


def _lists(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _reference_checks(path: tuple[str | int, ...], foreign: dict[str, Any]) -> Iterator[Violation]:
    reference = foreign.get("reference")
    if isinstance(reference, dict):
        ours, theirs = listed(foreign.get("fields")), listed(reference.get("fields"))
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
