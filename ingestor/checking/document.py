"""The check of a pipeline document before it is stored or tried."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.checking.constraints import check_patterns
from ingestor.checking.json_schemas import check_json_schemas
from ingestor.checking.steps.document import check_steps
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.pipelines.errors import PipelineError, Violation
from ingestor.plugin_sinks import check_sink
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError


def check_document(document: str) -> Pipeline:
    """Parse and check a document. Raises InvalidArgumentError (INVALID_PIPELINE), which names every
    wrong key as a JSON Pointer."""
    try:
        pipeline = parse_pipeline(document)
        violations: Sequence[Violation] = [
            *check_patterns(pipeline), *check_json_schemas(pipeline), *check_steps(pipeline),
            *check_sink(pipeline),
        ]  # fmt: skip
    except PipelineError as error:
        violations = error.violations
    if violations:
        raise InvalidArgumentError(
            "INVALID_PIPELINE",
            f"The pipeline document has {len(violations)} problem(s).",
            violations=[FieldViolation(v.pointer or "/", v.message) for v in violations],
        )
    return pipeline
