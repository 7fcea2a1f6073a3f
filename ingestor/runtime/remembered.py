"""Answers that are asked for again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers of the last seconds, at most `most` of them."""

    def __init__(self, seconds: float, clock: Callable[[], float], most: int = 4096) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    async def get(
        self, key: K, ask: Callable[[], Awaitable[V]], until: Callable[[V], float] | None = None
    ) -> V:
        """The remembered answer, or a new one; `until` may end its time earlier."""
        now = self._clock()
        if (known := self._known.get(key)) and known[0] > now:
            return known[1]
        answer = await ask()
        end = now + self._seconds
        self._known[key] = (min(end, until(answer)) if until else end, answer)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer
