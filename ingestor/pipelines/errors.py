"""What can be wrong with a pipeline document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem: `pointer` is a JSON Pointer (RFC 6901) into the document, "" for all of it."""

    pointer: str
    message: str


class PipelineError(ValueError):
    """The document is not a valid pipeline; `violations` lists every problem, at least one."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = list(violations)
        super().__init__("; ".join(f"{v.pointer or '(document)'}: {v.message}" for v in self.violations))


def pointer(parts: Iterable[str | int]) -> str:
    """The JSON Pointer of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
