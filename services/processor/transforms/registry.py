"""Which function does which step."""

from __future__ import annotations

from ingestor.pipelines.transforms import PLUG_IN, PlugIn, Step
from services.processor.transforms.expression_step import compute
from services.processor.transforms.plugin_step import run_plug_in
from services.processor.transforms.shape_steps import concatenate, split
from services.processor.transforms.step import Operation
from services.processor.transforms.text_steps import case, replace, trim
from services.processor.transforms.value_steps import default, map_words, parse

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
