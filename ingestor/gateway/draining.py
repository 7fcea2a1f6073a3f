"""Takes a running gateway out of service without a failed call: what to do before SIGTERM, at which Envoy
ends at once."""

from __future__ import annotations

import re
import time
import urllib.request

_ACTIVE = "http.gateway.downstream_rq_active"


def drain(admin: str, lame_duck_seconds: float, drain_seconds: float) -> int:
    """Have the gateway say that it is not ready, and its clients connect elsewhere after each answer.

    Returns how many calls are under way, when `lame_duck_seconds` have passed and none is, at the latest
    `drain_seconds` later. `admin` is the URL of Envoy's admin interface. Raises OSError when it does not
    answer.
    """
    _ask(f"{admin}/healthcheck/fail", b"")
    time.sleep(lame_duck_seconds)
    end = time.monotonic() + drain_seconds
    while (active := _active(admin)) and time.monotonic() < end:
        time.sleep(0.2)
    return active


def _active(admin: str) -> int:
    stats = _ask(f"{admin}/stats?filter={_ACTIVE}")
    found = re.search(rf"^{re.escape(_ACTIVE)}: (\d+)$", stats, re.MULTILINE)
    return int(found[1]) if found else 0


def _ask(url: str, body: bytes | None = None) -> str:
    with urllib.request.urlopen(url, body, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text
