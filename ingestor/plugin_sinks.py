"""Sinks of outside packages, found by their entry point (ingestor.plugins)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ingestor.pipelines.document import Pipeline, PlugInSink
from ingestor.pipelines.errors import Violation, pointer
from ingestor.plugins import SINKS, PlugInError, RowSink, SinkMaker, WrongOptionError, find_plug_in


@lru_cache
def sink_maker(name: str) -> SinkMaker:
    """The maker of the sinks of this name. Raises PlugInError."""
    return find_plug_in(SINKS, "sink", name)


def make_sink(name: str, options: Mapping[str, Any]) -> RowSink:
    """A sink with these options. Raises PlugInError, ValueError for wrong options."""
    made = sink_maker(name)(options)
    if not callable(getattr(made, "write", None)):
        raise PlugInError(f"the sink {name} cannot write")
    return made


def check_sink(pipeline: Pipeline) -> Iterator[Violation]:
    """What is wrong with the sink of a document, each at its key; part of the checks before it is stored."""
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
