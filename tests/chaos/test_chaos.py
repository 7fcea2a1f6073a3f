"""A minute of `make chaos`: a suite behind links, and faults of every kind that mends soon."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.run import Plan, run

_SOON = (
    "^(kill (upload|orchestrator|status|processor|at .*)|cut .*|lose .*|end all sessions"
    "|deadlocks|messages are (doubled|reordered)|messages of .*|half of .*|SQS and S3 fail|garbage .*"
    "|clocks .*|several writers .*)$"
)


async def test_a_minute_of_faults(tmp_path: Path) -> None:
    said: list[str] = []
    plan = Plan(20, 60_000, 0.5, _SOON, own=False)
    result = await run(plan, tmp_path / "chaos", said.append)
    assert result.is_clean, "\n".join(said)
    assert len(result.faults) >= 3, "\n".join(said)
