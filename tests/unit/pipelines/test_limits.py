"""Documents of strangers: every list has a bound, the checks take time in proportion, and end soon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args, get_origin

import pytest
from annotated_types import MaxLen
from pydantic import BaseModel

from ingestor.pipelines.document import Pipeline, PipelineError, parse_pipeline
from ingestor.pipelines.errors import MAX_VIOLATIONS
from ingestor.pipelines.json_document import MAX_VALUES
from ingestor.pipelines.transforms import Concatenate, read_before_made
from tests.hostile.documents import DOCUMENTS


@contextmanager
def soon(seconds: float) -> Iterator[None]:
    """CPU seconds: the machine may have other work."""
    begin = time.process_time()
    yield
    assert time.process_time() - begin < seconds


@pytest.mark.parametrize("name", DOCUMENTS)
def test_hostile_documents_are_refused_soon(name: str) -> None:
    document = DOCUMENTS[name]()
    with soon(8), pytest.raises(PipelineError) as caught:
        parse_pipeline(document)
    assert 1 <= len(caught.value.violations) <= MAX_VIOLATIONS
    assert all(len(found.message) < 1000 for found in caught.value.violations)


def test_many_concatenations_are_checked_soon() -> None:
    steps = [
        {"op": "concatenate", "columns": [f"c{n}_{k}" for k in range(100)], "into": f"d{n}"}
        for n in range(500)
    ]
    document = {
        "name": "p", "schema": {"fields": [{"name": "d499", "type": "string"}]},
        "transforms": steps, "sink": {"table": "t"},
    }  # fmt: skip
    with soon(5):
        found = parse_pipeline(json.dumps(document))
        assert len(found.labels_of_file) == 50_000
        assert len(found.origins["d499"]) == 2


def test_a_step_that_reads_what_only_a_later_one_makes() -> None:
    steps = [
        Concatenate.model_validate({"op": "concatenate", "columns": columns, "into": into})
        for columns, into in ((["b", "c"], "a"), (["a"], "b"), (["c", "d"], "d"), (["a"], "c"), (["e"], "c"))
    ]
    assert read_before_made(steps) == [(0, "b", 1)]


def test_a_document_of_too_many_values() -> None:
    document = json.dumps({"name": "p", "x-own": [0] * MAX_VALUES})
    with pytest.raises(PipelineError, match=f"has more than {MAX_VALUES} keys and values"):
        parse_pipeline(document)


def collections(annotation: Any, bounded: bool, path: str) -> Iterator[tuple[str, bool]]:
    """Every list and dict of an annotation, and whether it has a bound."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            has = any(isinstance(one, MaxLen) for one in field.metadata)
            yield from collections(field.annotation, has, f"{annotation.__name__}.{name}")
        return
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        bounded = any(isinstance(one, MaxLen) for one in _flat(annotation.__metadata__))
        yield from collections(arguments[0], bounded, path)
        return
    if get_origin(annotation) in (list, dict):
        yield path, bounded
        bounded = False
    for argument in arguments:
        yield from collections(argument, bounded and get_origin(annotation) not in (list, dict), path)


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for one in metadata:
        yield from (getattr(one, "metadata", None) or [one])


def test_every_list_and_map_has_a_bound() -> None:
    found = dict(collections(Pipeline, False, ""))
    assert len(found) > 20
    # Bounded by the number of values of a document and the size of what a schema unfolds to.
    assert [path for path, bounded in found.items() if not bounded] == ["Constraints.json_schema"]
