"""The pipeline document: a Frictionless Table Schema, what happens to rows, and where they go.

Rules of the schema: https://datapackage.org/standard/table-schema/. The guide is docs/guides/pipelines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, PrivateAttr, ValidationError
from pydantic import Field as Key
from pydantic_core import PydanticCustomError

from ingestor.pipelines.document_checks import cross_checks, shape_violation
from ingestor.pipelines.errors import MAX_VIOLATIONS, PipelineError, Violation, pointer
from ingestor.pipelines.field import Field, MissingValue, MissingValues
from ingestor.pipelines.json_document import read_json
from ingestor.pipelines.names import column_for, listed, table
from ingestor.pipelines.part import Part
from ingestor.pipelines.row_rules import MAX_CONDITIONS, Filter, RowFilter, Rule
from ingestor.pipelines.sinks import MAX_KEY_FIELDS, PlugInSink, Sink, TableSink
from ingestor.pipelines.transforms import MAX_STEPS, Transform
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import listed_labels, not_found
from ingestor.types.notation.json_text import canonical_json

__all__ = [
    "Field",
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
# Far more than a table can bear.
MAX_KEYS = 100
MAX_OPTIONS = 100


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
    """Values that must exist in another table."""

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
    unique_keys: Annotated[
        list[Annotated[list[str], BeforeValidator(listed), Key(min_length=1, max_length=MAX_KEY_FIELDS)]],
        Key(max_length=MAX_KEYS),
    ] = Key(default_factory=list, alias="uniqueKeys")
    foreign_keys: Annotated[list[ForeignKey], Key(max_length=MAX_KEYS)] = Key(
        default_factory=list, alias="foreignKeys"
    )


class Policy(Part):
    """When a process is given up: after more failed rows than `maxErrors`, a count, or a share such as "5%"
    of the rows that have an outcome (from the thousandth row on, and at the end)."""

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
    """A whole document. Make it with parse_pipeline, which also checks what a single key cannot show."""

    name: Annotated[str, Key(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    title: str | None = None
    description: str | None = None
    table_schema: TableSchema = Key(alias="schema")
    transforms: Annotated[list[Transform], Key(max_length=MAX_STEPS)] = Key(default_factory=list)
    filters: Annotated[list[Filter], Key(max_length=MAX_CONDITIONS)] = Key(default_factory=list)
    mapping: Annotated[dict[str, str], Key(max_length=MAX_FIELDS)] = Key(default_factory=dict)
    dialect: Annotated[dict[str, Any], Key(max_length=MAX_OPTIONS)] = Key(default_factory=dict)
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
        """Names of the fields that identify a row in the sink: the upsert's key, otherwise the primary key;
        empty if there is none."""
        own = self.sink.key if isinstance(self.sink, TableSink) else None
        return tuple(own or self.primary_key)

    def source(self, field: Field) -> str:
        """Label of the column that the field is read from, of the file or made by a transform."""
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
    def _other_labels(self) -> dict[str, list[str]]:
        """By label that fields read: those by which the column is known too."""
        found: dict[str, list[str]] = {}
        for field in self.fields:
            if field.labels:
                found.setdefault(self.source(field), []).extend(field.labels)
        return found

    def read_as(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The labels by which the pipeline reads a file's columns, in order: a column of another label that a
        field has among its `labels` counts as the field's own, unless the file has that one. Of several the
        one whose label the field lists first."""
        present = set(columns)
        own: dict[str, str] = {}
        for label, others in self._other_labels.items():
            found = None if label in present else next((other for other in others if other in present), None)
            if found is not None:
                own[found] = label
        return tuple(own.get(label, label) for label in columns)

    @cached_property
    def origins(self) -> dict[str, frozenset[str]]:
        """For each label that a transform makes or rewrites, the labels of the file's columns that go
        into it, two if there are more; any other label is its own origin."""
        found: dict[str, frozenset[str]] = {}
        for step in self.transforms:
            read = frozenset[str]()
            for label in step.reads:
                if len(read) < 2:
                    read = frozenset([*read, *found.get(label, (label,))][:2])
            found.update((label, read) for label in step.writes)
        return found

    @property
    def row_filters(self) -> list[RowFilter]:
        """The filters, in order."""
        return cast("list[RowFilter]", self.filters)  # an UnknownFilter is never valid

    def check_header(self, columns: Sequence[str]) -> list[str]:
        """Labels that the pipeline reads and the file's columns do not have, in the order of labels_of_file;
        empty if the header fits. Columns that nothing reads are allowed."""
        return [label for label in self.labels_of_file if label not in columns]

    def header_problem(
        self, labels: Sequence[str], columns: Sequence[str], options: ReadOptions
    ) -> tuple[str, str] | None:
        """Why a file with these labels in its header cannot be loaded, as (reason, sentence); None if it can.
        `columns` are the names of its columns (see TableHead)."""
        match = self.table_schema.fields_match
        known = self.read_as(columns)
        lacking = self.check_header(known)
        if options.missing_columns == "ignore":
            lacking = []
        elif match in ("superset", "partial"):
            may_lack = {self.source(field) for field in self.fields}
            lacking = [label for label in lacking if label not in may_lack]
        if lacking:
            return (
                "HEADER_MISMATCH",
                f"The pipeline {self.name} reads columns that the file does not have: "
                f"{not_found(lacking, columns)}",
            )
        drift = self.sink.schema_drift
        names = [name or label for label, name in zip(labels, known, strict=True)]
        extra = [
            name if label.strip() else f"{name} (without a label)".lstrip()
            for label, name in zip(labels, names, strict=True)
            if name not in self.labels_of_file
        ]
        strict = drift == "freeze" or match in ("exact", "equal", "superset")
        if extra and (options.unexpected_columns == "error" or strict):
            return (
                "EXTRA_LABEL",
                f"The file has columns that the pipeline {self.name} does not read: {', '.join(extra)}.",
            )
        expected = [label for label in self.labels_of_file if label in names]
        if match == "exact" and names != expected:
            return (
                "HEADER_MISMATCH",
                f"The pipeline {self.name} wants the columns in this order: {', '.join(expected)}. "
                f"The file has {listed_labels(names)}.",
            )
        none = not any(self.source(field) in known for field in self.fields)
        if match == "partial" and none and options.missing_columns != "ignore":
            return (
                "HEADER_MISMATCH",
                f"The file has none of the columns that the fields of the pipeline {self.name} read: "
                f"{not_found([self.source(field) for field in self.fields], columns)}",
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
        return {
            label: column_for(label, names) for label in self.read_as(columns) if label and label not in read
        }

    def evolved(self, columns: Sequence[str]) -> Pipeline:
        """The pipeline for a file with columns of these names. With schemaDrift "evolve" it has one more
        field of text for each column that nothing reads. header_problem has found nothing."""
        if self.sink.schema_drift != "evolve" or not (added := self._added_columns(columns)):
            return self
        fields = [Field.model_validate({"name": name, "type": "string"}) for name in added.values()]
        schema = self.table_schema.model_copy(update={"fields_": [*self.fields, *fields]})
        mapping = {**self.mapping, **{name: label for label, name in added.items()}}
        made = self.model_copy(update={"table_schema": schema, "mapping": mapping})
        for cached in ("labels_of_file", "_other_labels"):  # copied with the rest
            made.__dict__.pop(cached, None)
        return made

    def target(self) -> tuple[str, str]:
        """Schema (empty: the tenant's own) and name of the table, not quoted; for a plug-in an empty schema
        and the pipeline's name."""
        if not isinstance(self.sink, TableSink):
            return "", self.name
        schema, dot, name = self.sink.table.partition(".")
        return (schema, name) if dot else ("", schema)

    def canonical_json(self) -> str:
        """The document as one text, the same for all documents that differ only in blanks, escapes and the
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
        details = error.errors(include_url=False, include_input=False)[:MAX_VIOLATIONS]
        violations = [shape_violation(detail["type"], detail["loc"], detail["msg"], detail.get("ctx", {}))
                      for detail in details]  # fmt: skip
    if len(violations) < MAX_VIOLATIONS:
        violations.extend(islice(cross_checks(document), MAX_VIOLATIONS - len(violations)))
    if pipeline is not None and not violations:
        violations.extend(islice(_label_problems(pipeline), MAX_VIOLATIONS))
    if pipeline is None or violations:
        raise PipelineError(violations)
    pipeline._canonical = canonical_json(document)
    return pipeline


def _label_problems(pipeline: Pipeline) -> Iterator[Violation]:
    """Labels of a field that mean another column as well."""
    read = frozenset(pipeline.labels_of_file)
    made = frozenset(label for step in pipeline.transforms for label in step.writes)
    owners: dict[str, str] = {}
    for index, field in enumerate(pipeline.fields):
        source = pipeline.source(field)
        if field.labels and source not in read:
            message = "are for a column of the file, not for one that a transform makes"
            yield Violation(pointer(("schema", "fields", index, "labels")), message)
        for place, label in enumerate(field.labels or ()):
            if owners.setdefault(label, source) != source or (
                (label in read or label in made) and label != source
            ):
                message = f"{json.dumps(label, ensure_ascii=False)} is the label of another column"
                yield Violation(pointer(("schema", "fields", index, "labels", place)), message)
