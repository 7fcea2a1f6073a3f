"""What fuzzing has found, each as (target, input)."""

from __future__ import annotations

KEPT: tuple[tuple[str, bytes], ...] = (
    # No Decimal has such an exponent.
    ("document", b'9991e99999999999999999999a"] {"{"namf'),
)
