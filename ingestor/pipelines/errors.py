"""What can be wrong with a pipeline document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Problems of a document that are told at once.
MAX_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem: `pointer` is a JSON Pointer (RFC 6901) into the document, "" for all of it."""

    pointer: str
    message: str


class PipelineError(ValueError):
    """The document is not a valid pipeline; `violations` lists the problems, at least one and at most
    MAX_VIOLATIONS."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = list(violations[:MAX_VIOLATIONS])
        super().__init__("; ".join(f"{v.pointer or '(document)'}: {v.message}" for v in self.violations))


def pointer(parts: Iterable[str | int]) -> str:
    """The JSON Pointer of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
