"""What a fault is."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.world import World

Inject = Callable[[World, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and is whole again when `inject` returns. `own`: in which worlds; None: in both.
    `no_call_fails`: those of clients must not meanwhile."""

    name: str
    inject: Inject
    own: bool | None = None
    no_call_fails: bool = False
