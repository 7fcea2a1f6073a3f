"""How many batches may be in flight. What waits in the queue waits in front of everybody, so that a large
file keeps the processors busy with _WAITING_SECONDS of waiting work, and not with more, and the files of a
tenant with its share."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

_WAITING_SECONDS = 0.1  # work that may wait for a processor
_LEAST = 3  # batches in flight, of all streams together
_REMEMBERED_SECONDS = 30.0
_RATED = 64  # batches


class Windows:
    """The windows of the streams of this instance. Active tenants share what may be in flight, and the
    streams of a tenant its share."""

    def __init__(self, most: int, *, first: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: batches in flight, of all streams together; a tenant may always have one. `first`: those of
        streams that have just begun, shared with other active tenants."""
        self._most = most
        self._first = first
        self._clock = clock
        self._streams = Counter[str]()
        self._open: dict[Window, None] = {}  # also windows of streams that have ended, with batches in flight
        self._waiting: dict[Window, None] = {}  # in the order of coming
        self._news = asyncio.Event()

    @contextmanager
    def open(self, tenant: str, before: int = 0) -> Iterator[Window]:
        """The window of a stream while that lasts; `before`: batches that have been sent by an earlier one.
        Those that are in flight at its end count until they have ended, or are forgotten."""
        self._begin(tenant)
        window = Window(self, tenant, before, self._clock)
        self._open[window] = None
        try:
            yield window
        finally:
            self._end(tenant)
            window.close()

    def first(self, tenant: str) -> int:
        """How many batches a stream of a tenant that has just begun may have in flight."""
        return max(1, self._first // self._share(tenant))

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
        self.tell()

    def _share(self, tenant: str) -> int:
        """Among how many what may be in flight is shared: a stream has one part of it."""
        return max(1, len(self._streams) * self._streams[tenant])

    def bounds(self, tenant: str) -> tuple[int, int]:
        """The least and the most batches that a stream of a tenant may have in flight."""
        share = self._share(tenant)
        return max(1, min(_LEAST, self._most) // share), max(1, self._most // share)

    def most(self, tenant: str) -> int:
        """How many batches all streams of a tenant may have in flight: when others have some too, or wait for
        a turn, as many as the one of them whose batches have been seen to wait least."""
        others = {window.tenant for window in self._open if window.takes or window in self._waiting}
        tenants = len(others | {tenant})
        if tenants == 1:
            return self._most
        sizes = (window.size for window in self._open if window.tenant == tenant)
        return max(1, min(self._most // tenants, max((_LEAST // tenants, *sizes))))

    def tell(self) -> None:
        """Let those that wait look again."""
        self._news.set()
        self._news = asyncio.Event()

    def forget(self, window: Window) -> None:
        """The window of a stream that has ended counts no more."""
        self._open.pop(window, None)
        self.tell()

    def may_send(self, window: Window) -> bool:
        """Whether a stream may send another batch, and none of its tenant that may has waited longer."""
        if window.in_flight >= window.size:
            return False
        tenant = window.tenant
        taken = sum(one.takes for one in self._open if one.tenant == tenant)
        if taken >= self.most(tenant) or (taken and sum(one.takes for one in self._open) >= self._most):
            return False
        for other in self._waiting:
            if other is window:
                break
            if other.tenant == tenant and other.in_flight < other.size:
                return False
        return True

    async def turn(self, window: Window, check: Callable[[], None]) -> None:
        """Wait until a stream may send another batch."""
        self._waiting[window] = None
        try:
            await self.wait(lambda: self.may_send(window), check)
        finally:
            del self._waiting[window]

    async def wait(self, until: Callable[[], bool], check: Callable[[], None]) -> None:
        """Wait until something is so. Raises what `check` raises, which is called before each look."""
        while True:
            check()
            if until():
                return
            await self._news.wait()


class Window:
    """The window of one stream, looked at once in the time of a window. It grows while batches take no longer
    than the shortest time of late and _WAITING_SECONDS; when they take longer, they wait, and it shrinks. (As
    TCP Vegas does with packets.)"""

    def __init__(self, windows: Windows, tenant: str, before: int, clock: Callable[[], float]) -> None:
        self.tenant = tenant
        self._windows = windows
        self._clock = clock
        self._size: int | None = None  # until the first look
        self._doubling = True
        self._before = before  # batches in flight that an earlier stream has sent
        self._placed = 0  # batches that have a turn and are not sent yet
        self._sent: deque[float] = deque()  # when each batch in flight was sent
        self._closed = self._held = False
        self._ended = deque[float](maxlen=_RATED)  # when the last batches ended
        self._changed = clock()
        self._shortest = (float("inf"), float("inf"))  # of the last and of the current half minute
        self._since = clock()

    @property
    def size(self) -> int:
        """How many batches may be in flight."""
        least, most = self._windows.bounds(self.tenant)
        return min(max(self._size or self._windows.first(self.tenant), least), most)

    @property
    def in_flight(self) -> int:
        """Batches of the stream without an outcome."""
        return self._before + self._placed + len(self._sent)

    @property
    def takes(self) -> int:
        """Batches in flight, but for those of a process that is paused: nobody waits for them."""
        return 0 if self._held else self.in_flight

    @property
    def may_send(self) -> bool:
        """Whether another batch may be sent at once."""
        return self._windows.may_send(self)

    async def turn(self, check: Callable[[], None]) -> None:
        """Wait until another batch may be sent. Raises what `check` raises, which is called before each
        look."""
        await self._windows.turn(self, check)

    async def landed(self, check: Callable[[], None]) -> None:
        """Wait until nothing that was sent is in flight. Raises as `turn`."""
        await self._windows.wait(lambda: self.in_flight == self._placed, check)

    def tell(self) -> None:
        """Let those that wait look again."""
        self._windows.tell()

    def resting(self) -> AbstractContextManager[None]:
        """A stream that is paused leaves its share to the others while that lasts."""
        return self._windows.resting(self.tenant)

    @property
    def is_held(self) -> bool:
        """Whether the process is paused."""
        return self._held

    def hold(self, held: bool) -> None:
        """Whether the process is paused."""
        if held != self._held:
            self._held = held
            self._windows.tell()

    def placed(self) -> None:
        """A batch has its turn."""
        self._placed += 1

    def sent(self) -> None:
        """A batch that has its turn is sent."""
        self._placed -= 1
        self._sent.append(self._clock())

    def ended(self, count: int) -> None:
        """So many batches have their outcome; taken for those that were sent first."""
        if count <= 0:
            return
        before = min(count, self._before)
        self._before -= before
        for _ in range(min(count - before, len(self._sent))):
            full = self.in_flight >= self.size
            self._look(self._sent.popleft(), full)
        if self._closed and not self.in_flight:
            self._windows.forget(self)
        else:
            self._windows.tell()

    def close(self) -> None:
        """The stream has ended."""
        self._closed, self._placed = True, 0
        if not self.in_flight:
            self._windows.forget(self)

    def forget(self) -> None:
        """Nobody learns of the end of what is in flight."""
        self._before = 0
        self._sent.clear()
        if self._closed:
            self._windows.forget(self)
        else:
            self._windows.tell()

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
            self._size = max(1, min(self.size, round(self._rate() * most)))
            self._doubling = False
        elif full:  # else the window is not what holds the stream back
            self._size = 2 * self.size if self._doubling else self.size + 1
        else:
            return
        self._changed = now

    def _rate(self) -> float:
        """Batches in a second, as the last of them have ended."""
        took = self._ended[-1] - self._ended[0]
        return (len(self._ended) - 1) / took if took else float(self.size)
