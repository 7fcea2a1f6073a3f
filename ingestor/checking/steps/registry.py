"""Which function does which step."""

from __future__ import annotations

from ingestor.checking.steps.expression_step import compute
from ingestor.checking.steps.plugin_step import run_plug_in
from ingestor.checking.steps.shape_steps import concatenate, split
from ingestor.checking.steps.step import Operation
from ingestor.checking.steps.text_steps import case, replace, trim
from ingestor.checking.steps.value_steps import default, map_words, parse
from ingestor.pipelines.transforms import PLUG_IN, PlugIn, Step

OPERATIONS: dict[str, Operation] = {
    "trim": trim,
    "case": case,
    "replace": replace,
    "default": default,
    "map": map_words,
    "parse": parse,
    "split": split,
    "concatenate": concatenate,
    "expression": compute,
    PLUG_IN: run_plug_in,
}


def operation(step: Step) -> Operation:
    """The function of a step."""
    return OPERATIONS[PLUG_IN if isinstance(step, PlugIn) else step.op]
