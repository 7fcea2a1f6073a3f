"""What was found, one line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. Without a problem there is nothing to do."""

    name: str
    detail: str = ""
    problem: str = ""
    todo: str = ""


@dataclass
class Report:
    """All lines, in order."""

    lines: list[Line] = field(default_factory=list)

    def good(self, name: str, detail: str) -> None:
        """Note what is as it should be."""
        self.lines.append(Line(name, detail))

    def bad(self, name: str, problem: str, todo: str) -> None:
        """Note a problem, and what to do about it."""
        self.lines.append(Line(name, problem=problem, todo=todo))

    @property
    def is_good(self) -> bool:
        """Whether there is no problem."""
        return not any(line.problem for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"ok": self.is_good, "checks": [asdict(line) for line in self.lines]}


_MOST_SECONDS = 5.0


def look_at_clock(report: Report, name: str, seconds: float) -> None:
    """Note how far a clock is ahead of ours. Tokens, leases and signatures of AWS need clocks that agree."""
    if abs(seconds) > _MOST_SECONDS:
        report.bad(
            name,
            f"it differs from this machine's by {seconds:+.0f} s, more than {_MOST_SECONDS:.0f} s",
            "set the clocks of both by NTP",
        )
    else:
        report.good(name, f"differs from this machine's by {abs(seconds):.0f} s")
