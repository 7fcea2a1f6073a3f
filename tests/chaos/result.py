"""What came of a run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.audit import Findings
from tests.chaos.watch import Seen


@dataclass(frozen=True)
class Injection:
    """A fault that came alone: how long it lasted, when something was loaded after its end, and what a client
    saw until then. Seconds."""

    lasted: float
    recovery: float
    seen: Seen

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {
            "lasted_seconds": round(self.lasted, 3),
            "recovery_seconds": round(self.recovery, 3),
            "calls": self.seen.calls,
            "failed": dict(self.seen.failed),
            "slowest_call_seconds": round(self.seen.slowest, 3),
        }


@dataclass
class Result:
    """`faults` that were injected; `injections` of those that came alone; `figures`: what was measured of
    each (tests.chaos.figures)."""

    faults: list[str] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    injections: dict[str, list[Injection]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or unexpected, and everything was mended."""
        return not self.problems and all(one.is_clean for one in self.findings)

    def medians(self) -> dict[str, float]:
        """Seconds to recover, by fault."""
        return {
            name: statistics.median(one.recovery for one in found) for name, found in self.injections.items()
        }

    def as_json(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """For a file, which tests.chaos.table reads. `about`: seed, commit and so on."""
        return {
            **about,
            "is_clean": self.is_clean,
            "rows": {
                name: sum(getattr(one, name) for one in self.findings)
                for name in ("attempted", "acknowledged", "lost", "doubled", "unexpected")
            },
            "problems": [*self.problems, *(text for one in self.findings for text in one.problems)],
            "figures": {name: [round(value, 3) for value in found] for name, found in self.figures.items()},
            "faults": {name: [one.as_json() for one in found] for name, found in self.injections.items()},
        }
