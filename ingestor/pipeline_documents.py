"""Pipeline documents as the APIs take them: parsed, and checked as a whole with the sink that they name."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.checking.document import check_document
from ingestor.formats import NewerReleaseError
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.pipelines.errors import PipelineError, Violation
from ingestor.plugin_sinks import check_sink
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError


def read_stored(name: str, version: int, document: str) -> Pipeline:
    """The pipeline of a version that the catalogue keeps, which was valid when it was stored. Raises
    NewerReleaseError when it has a key or a value that this release does not know."""
    try:
        return parse_pipeline(document)
    except PipelineError as error:
        found = error.violations[0]
        raise NewerReleaseError(
            f"pipeline {name}@{version} was stored by a newer release: {found.pointer or '/'} {found.message}"
        ) from error


def read_document(document: str) -> Pipeline:
    """Parse and check a document. Raises InvalidArgumentError (INVALID_PIPELINE), which names every
    wrong key as a JSON Pointer."""
    try:
        pipeline = parse_pipeline(document)
        violations: Sequence[Violation] = [*check_document(pipeline), *check_sink(pipeline)]
    except PipelineError as error:
        violations = error.violations
    if violations:
        raise InvalidArgumentError(
            "INVALID_PIPELINE",
            f"The pipeline document has {len(violations)} problem(s).",
            violations=[FieldViolation(v.pointer or "/", v.message) for v in violations],
        )
    return pipeline
