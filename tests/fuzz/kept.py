"""What fuzzing has found, each as (target, input)."""

from __future__ import annotations

KEPT: tuple[tuple[str, bytes], ...] = ()
