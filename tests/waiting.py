"""Waits for what comes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails naming what never came."""
    try:
        async with asyncio.timeout(120):
            while not condition():
                await asyncio.sleep(0.05)  # between two looks
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None
