"""Sinks of outside packages, found by their entry point (ingestor.plugins)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, cast

from ingestor.pipelines.document import Pipeline, PlugInSink
from ingestor.pipelines.errors import Violation, pointer
from ingestor.plugins import SINKS, RowSink, SinkMaker, WrongOptionError


class SinkPlugInError(Exception):
    """A sink is not installed, is so twice, cannot be imported or breaks its contract."""


@lru_cache
def sink_maker(name: str) -> SinkMaker:
    """What makes the sinks of this name. Raises SinkPlugInError."""
    found = entry_points(group=SINKS, name=name)
    if not found:
        raise SinkPlugInError(f"no sink is named {name}, neither built in nor installed")
    if len({point.value for point in found}) > 1:
        raise SinkPlugInError(f"several installed packages have a sink {name}")
    try:
        loaded = next(iter(found)).load()
    except Exception as error:
        raise SinkPlugInError(f"the sink {name} cannot be loaded") from error
    if not callable(loaded):
        raise SinkPlugInError(f"the sink {name} is nothing that can be called")
    return cast("SinkMaker", loaded)


def make_sink(name: str, options: Mapping[str, Any]) -> RowSink:
    """A sink with these options. Raises SinkPlugInError, ValueError for wrong options."""
    made = sink_maker(name)(options)
    if not callable(getattr(made, "write", None)):
        raise SinkPlugInError(f"the sink {name} cannot write")
    return made


def check_sink(pipeline: Pipeline) -> Iterator[Violation]:
    """What is wrong with the sink of a document, each at its key; part of checking it before it is
    stored."""
    sink = pipeline.sink
    if not isinstance(sink, PlugInSink):
        return
    try:
        make_sink(sink.type, sink.options)
    except SinkPlugInError as error:
        yield Violation(pointer(("sink", "type")), str(error))
    except WrongOptionError as error:
        yield Violation(pointer(("sink", "options", *error.path)), str(error))
    except ValueError as error:
        yield Violation(pointer(("sink", "options")), str(error))
