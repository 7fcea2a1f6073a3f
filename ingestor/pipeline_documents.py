"""Pipeline documents as the APIs take them: parsed, and checked as a whole with the sink that they name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

from ingestor.formats import NewerReleaseError
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.pipelines.errors import MAX_VIOLATIONS, PipelineError, Violation
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError

# Details of an error are metadata of gRPC, of which clients take 8 KiB, in base64.
_TOLD_BYTES = 5000
_LONGEST = 500  # characters of a pointer, and of a message
_EACH = 8


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
    """Parse and check a document. Raises InvalidArgumentError (INVALID_PIPELINE), which names wrong keys as
    JSON Pointers. Documents of callers are read by ingestor.document_checks."""
    if found := problems(document):
        raise invalid(found)
    return parse_pipeline(document)


def problems(document: str) -> list[Violation]:
    """What is wrong with a document, at most MAX_VIOLATIONS problems; empty if it is right."""
    # Libraries that only this needs.
    from ingestor.checking.document import check_document
    from ingestor.plugin_sinks import check_sink

    try:
        pipeline = parse_pipeline(document)
        return list(islice(chain(check_document(pipeline), check_sink(pipeline)), MAX_VIOLATIONS))
    except PipelineError as error:
        return error.violations


def invalid(found: Sequence[Violation]) -> InvalidArgumentError:
    """The error of a document with these problems."""
    count = f"at least {len(found)}" if len(found) >= MAX_VIOLATIONS else str(len(found))
    told: list[FieldViolation] = []
    left = _TOLD_BYTES
    for one in found:
        violation = FieldViolation(one.pointer[:_LONGEST] or "/", one.message[:_LONGEST])
        left -= len(violation.field.encode()) + len(violation.description.encode()) + _EACH
        if left < 0:
            break
        told.append(violation)
    first = f" These are the first {len(told)}." if len(told) < len(found) else ""
    return InvalidArgumentError(
        "INVALID_PIPELINE", f"The pipeline document has {count} problem(s).{first}", violations=told
    )
