"""Sinks of outside packages, found by their entry point (ingestor.plugins)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ingestor.outcomes import shortened
from ingestor.pipelines.document import Pipeline, PlugInSink
from ingestor.pipelines.errors import Violation, pointer
from ingestor.plugins import (
    SINKS,
    PlugInError,
    RefusedBatchError,
    RowSink,
    SinkMaker,
    TransientSinkError,
    WrongOptionError,
    find_plug_in,
)
from ingestor.runtime.errors import TransientError


@lru_cache
def sink_maker(name: str) -> SinkMaker:
    """What makes the sinks of this name. Raises PlugInError."""
    return find_plug_in(SINKS, "sink", name)


def make_sink(name: str, options: Mapping[str, Any]) -> RowSink:
    """A sink with these options. Raises PlugInError, ValueError for wrong options."""
    made = sink_maker(name)(options)
    if not callable(getattr(made, "write", None)):
        raise PlugInError(f"the sink {name} cannot write")
    return made


@contextmanager
def plug_in_errors(name: str, refused: type[Exception]) -> Iterator[None]:
    """What the code of the sink of this name raises, as errors of ours; what it refuses as `refused`. Raises
    TransientError, PlugInError."""
    try:
        yield
    except TransientSinkError as error:
        raise TransientError(f"sink {name}: {error}") from error
    except RefusedBatchError as error:
        raise refused(shortened(str(error))) from error
    except Exception as error:
        # Not as it is: an OSError of the sink's is none of the database's, which may pass.
        raise PlugInError(f"the sink {name} failed") from error


def check_sink(pipeline: Pipeline) -> Iterator[Violation]:
    """What is wrong with the sink of a document, each at its key; part of checking it before it is
    stored."""
    sink = pipeline.sink
    if not isinstance(sink, PlugInSink):
        return
    try:
        make_sink(sink.type, sink.options)
    except PlugInError as error:
        yield Violation(pointer(("sink", "type")), str(error))
    except WrongOptionError as error:
        yield Violation(pointer(("sink", "options", *error.path)), str(error))
    except ValueError as error:
        yield Violation(pointer(("sink", "options")), str(error))
