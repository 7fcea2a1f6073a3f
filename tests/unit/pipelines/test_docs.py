"""The examples of the user's guide are pipelines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestor.pipelines.document import parse_pipeline

GUIDE = Path(__file__).parents[3] / "docs" / "pipelines.md"
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_pipeline(example: str) -> None:
    assert parse_pipeline(example).fields
