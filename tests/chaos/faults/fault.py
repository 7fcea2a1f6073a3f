"""What a fault is, and what is promised of it."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.chaos.world import World


@dataclass(frozen=True)
class Promise:
    """One of the FIGURES (tests.chaos.figures), and what finds it out, which may take a while."""

    figure: str
    measure: Callable[[], Awaitable[float]]


Inject = Callable[[World, random.Random], Awaitable[Sequence[Promise] | None]]


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and is whole again when `inject` returns, or mends itself. `own`: in which
    worlds; None: in both. `no_call_fails`: those of clients must not meanwhile."""

    name: str
    inject: Inject
    own: bool | None = None
    no_call_fails: bool = False


def seconds_until(figure: str, kept: Callable[[], Awaitable[None]]) -> Promise:
    """The seconds from now on until `kept` returns."""
    began = time.monotonic()

    async def measure() -> float:
        await kept()
        return time.monotonic() - began

    return Promise(figure, measure)
