"""How many batches may be in flight. What waits in the queue waits in front of everybody, so that a large
file keeps the processors busy with _WAITING_SECONDS of waiting work, and not with more."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

_WAITING_SECONDS = 0.1  # work that may wait for a processor
_LEAST = 3  # batches in flight, of all streams together
_REMEMBERED_SECONDS = 30.0
_RATED = 64  # batches


class Windows:
    """The windows of the streams of this instance, which active tenants share, and streams of a tenant its
    share."""

    def __init__(self, most: int, *, first: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: batches in flight, of all streams together; each stream may have one. `first`: those of a
        stream that has just begun."""
        self._most = most
        self._first = first
        self._clock = clock
        self._streams = Counter[str]()
        self._open = set[Window]()

    @contextmanager
    def open(self, tenant: str) -> Iterator[Window]:
        """The window of a stream while that lasts."""
        self._begin(tenant)
        window = Window(self, tenant, self._first, self._clock)
        self._open.add(window)
        try:
            yield window
        finally:
            self._open.remove(window)
            self._end(tenant)

    @property
    def in_flight(self) -> int:
        """Batches without an outcome, of all streams together."""
        return sum(window.in_flight for window in self._open)

    @property
    def streams(self) -> int:
        """How many streams there are that are not paused."""
        return self._streams.total()

    @contextmanager
    def resting(self, tenant: str) -> Iterator[None]:
        """One stream less while that lasts."""
        self._end(tenant)
        try:
            yield
        finally:
            self._begin(tenant)

    def _begin(self, tenant: str) -> None:
        self._streams[tenant] += 1

    def _end(self, tenant: str) -> None:
        self._streams[tenant] -= 1
        if not self._streams[tenant]:
            del self._streams[tenant]

    def bounds(self, tenant: str) -> tuple[int, int]:
        """The least and the most batches that a stream of a tenant may have in flight."""
        share = max(1, len(self._streams) * self._streams[tenant])
        return max(1, min(_LEAST, self._most) // share), max(1, self._most // share)


class Window:
    """The window of one stream, looked at once in the time of a window. It grows while batches take no longer
    than the shortest time of late and _WAITING_SECONDS; when they take longer, they wait, and it shrinks. (As
    TCP Vegas does with packets.)"""

    def __init__(self, windows: Windows, tenant: str, first: int, clock: Callable[[], float]) -> None:
        self._windows = windows
        self._tenant = tenant
        self._clock = clock
        self._size = first
        self._doubling = True
        self._sent: deque[float] = deque()  # when each batch in flight was sent
        self._ended = deque[float](maxlen=_RATED)  # when the last batches ended
        self._changed = clock()
        self._shortest = (float("inf"), float("inf"))  # of the last and of the current half minute
        self._since = clock()

    @property
    def size(self) -> int:
        """How many batches may be in flight."""
        least, most = self._windows.bounds(self._tenant)
        return min(max(self._size, least), most)

    @property
    def in_flight(self) -> int:
        """Batches of the stream without an outcome."""
        return len(self._sent)

    def resting(self) -> AbstractContextManager[None]:
        """A stream that is paused leaves its share to the others while that lasts."""
        return self._windows.resting(self._tenant)

    def sent(self) -> None:
        """A batch is in flight."""
        self._sent.append(self._clock())

    def ended(self, count: int) -> None:
        """So many batches have their outcome; taken for those that were sent first."""
        for _ in range(min(count, len(self._sent))):
            full = len(self._sent) >= self.size
            self._look(self._sent.popleft(), full)

    def _look(self, sent: float, full: bool) -> None:
        now = self._clock()
        took = now - sent
        self._ended.append(now)
        if now - self._since > _REMEMBERED_SECONDS:
            self._shortest, self._since = (self._shortest[1], float("inf")), now
        self._shortest = self._shortest[0], min(self._shortest[1], took)
        if sent < self._changed:  # before the window had this size
            return
        most = min(self._shortest) + _WAITING_SECONDS
        if took > most:
            # What is done in the time that a batch may take (Little's law).
            self._size = min(self.size, round(self._rate() * most))
            self._doubling = False
        elif full:  # else the window is not what holds the stream back
            self._size = 2 * self.size if self._doubling else self.size + 1
        else:
            return
        self._changed = now

    def _rate(self) -> float:
        """Batches in a second, as the last of them have ended."""
        took = self._ended[-1] - self._ended[0]
        return (len(self._ended) - 1) / took if took else float(self._size)
