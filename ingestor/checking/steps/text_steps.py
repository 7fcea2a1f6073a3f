"""Steps that rewrite the characters of a text: trim, case, replace."""

from __future__ import annotations

from ingestor.checking.arrow import pc
from ingestor.checking.steps.step import Inputs, Made
from ingestor.pipelines.transforms import Case, Replace, Trim

_CASES = {"upper": pc.utf8_upper, "lower": pc.utf8_lower, "title": pc.utf8_title}


def trim(step: Trim, inputs: Inputs) -> Made:
    """Blanks are what Unicode calls white space, and the separators U+001C to U+001F."""
    return Made({step.column: pc.utf8_trim_whitespace(inputs.columns[step.column])})


def case(step: Case, inputs: Inputs) -> Made:
    """Unicode's simple mapping: a letter stays one letter."""
    return Made({step.column: _CASES[step.to](inputs.columns[step.column])})


def replace(step: Replace, inputs: Inputs) -> Made:
    """Every occurrence, from left to right; in `with`, \\1 to \\9 are groups of a regular expression."""
    function = pc.replace_substring_regex if step.regex else pc.replace_substring
    column = inputs.columns[step.column]
    return Made({step.column: function(column, pattern=step.pattern, replacement=step.replacement)})
