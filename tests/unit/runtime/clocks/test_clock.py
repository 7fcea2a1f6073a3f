"""The clock, and how tests step it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestor.runtime import fail_points
from ingestor.runtime.clock import SystemClock

STEPS = [timedelta(minutes=-7), timedelta(minutes=7)]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: timedelta) -> None:
    monkeypatch.setattr(fail_points, "_FOLDER", str(tmp_path))
    file = tmp_path / f"clock.{os.getpid()}"
    (tmp_path / "clock.1").write_text("99999")
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(minutes=1)
    file.write_text(str(step.total_seconds()))
    assert abs(SystemClock().now() - step - datetime.now(UTC)) < timedelta(minutes=1)
    file.unlink()
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(minutes=1)
