"""What lies between the processes of a suite: calls of stores and of each other, that take time and get
lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ingestor.runtime.errors import ServiceError, TransientError, UnavailableError
from tests.simulation.faults import STREAMS, Fault
from tests.simulation.loop import NodeLoop, World

Effect = Callable[[], Coroutine[Any, Any, Any]]
Handler = Callable[[Any], Coroutine[Any, Any, Any]]
_USUAL, _LONG = 0.004, 0.25  # seconds of a way, at most; a long one is rare
_DEADLINE = 30.0
_KEEPALIVE = 20.0
_KEPT = 70.0  # seconds after which a client gives up a silent connection; a stream has no other deadline


class Node:
    """A process: its loop, what runs in it, and the calls that it has open."""

    def __init__(self, world: World, name: str, index: int) -> None:
        self.world = world
        self.name = name
        self.index = index
        self.loop = world.loop(name, index)
        self.service: Any = None  # what answers calls
        self.stopping: asyncio.Event | None = None
        self.answering: dict[Call, None] = {}
        self.asking: dict[Call, None] = {}
        self.locks: dict[str, object] = {}  # by process, what it holds until its connection ends
        self.skew = 0.0  # seconds by which its clock is wrong
        self.incarnation = 0


class Call:
    """One call on its way."""

    def __init__(self, caller: Node, future: asyncio.Future[Any], kind: str, fault: Fault | None) -> None:
        self.caller = caller
        self.loop = caller.loop
        self.future = future
        self.kind = kind
        self.fault = fault
        self.context = contextvars.copy_context()
        self.target: Node | None = None
        self.task: asyncio.Task[Any] | None = None

    @property
    def lost(self) -> str:
        """What of it is lost."""
        return self.fault.kind if self.fault else ""


class Network:
    """Carries the calls."""

    def __init__(self, world: World, faults: Sequence[Fault], stores: NodeLoop) -> None:
        self.world = world
        self.stores = stores
        self.nodes: dict[str, list[Node]] = {}
        self.is_calm = False  # no fault begins any more
        self._away: dict[str, float] = {}  # until when a store or a service does not answer
        self._counts = Counter[str]()
        self._faults = {
            (fault.where, fault.nth): fault
            for fault in faults
            if fault.kind in ("lose request", "lose response", "slow", "cut")
        }

    def latency(self) -> float:
        """Seconds of one way."""
        drawn = self.world.random.random()
        return _LONG * (drawn - 0.99) * 100 if drawn > 0.99 else _USUAL * (0.05 + drawn)

    def go_away(self, where: str, seconds: float) -> None:
        """A store or a service does not answer for a while."""
        self._away[where] = self.world.now + seconds

    def _is_away(self, kind: str) -> bool:
        return bool(self._away) and self._away.get(kind.partition(".")[0], 0) > self.world.now

    def _open(self, caller: Node, kind: str) -> Call:
        self._counts[kind] += 1
        fault = self._faults.get((kind, self._counts[kind])) if self._faults else None
        if fault is not None:
            self.world.tell(f"{fault}")
        if caller.loop.is_dead or self.world.is_closed:
            return Call(caller, caller.loop.create_future(), kind, None)
        return Call(caller, caller.loop.create_future(), kind, fault)

    # Stores.

    def store(self, caller: Node, kind: str, effect: Effect) -> asyncio.Future[Any]:
        """Have a store do something, which it does at once and as a whole when it hears of it."""
        call = self._open(caller, kind)
        if not (call.loop.is_dead or self.world.is_closed):
            wait = self.latency() + (call.fault.seconds if call.lost == "slow" else 0)  # type: ignore[union-attr]
            self.world.after(wait, self._at_store, call, effect)
        return call.future

    def _at_store(self, call: Call, effect: Effect) -> None:
        if call.lost == "lose request" or self._is_away(call.kind):
            self.world.after(self.latency(), self._end, call, None, TransientError(f"{call.kind}: no answer"))
            return
        self.world.enter(self.stores)
        self.world.asking = call.loop
        found, error = None, None
        work = call.context.run(effect)
        try:
            call.context.run(work.send, None)
        except StopIteration as done:
            found = done.value
        except Exception as raised:
            error = raised
        else:
            raise AssertionError(f"{call.kind} waits for something")
        self.world.tell(f"{call.loop.name} {call.kind} {'' if error is None else repr(error)}")
        if call.lost == "lose response":
            found, error = None, TransientError(f"{call.kind}: connection lost")
        self.world.after(self.latency(), self._end, call, found, error)

    def _end(self, call: Call, found: object, error: Exception | None) -> None:
        call.caller.asking.pop(call, None)
        if call.loop.is_dead or call.future.done():
            return
        if error is not None:
            call.future.set_exception(error)
        else:
            call.future.set_result(found)

    def wait_at_store(self, caller: Node, kind: str, effect: Effect) -> asyncio.Future[Any]:
        """As `store`, of what waits there."""
        call = self._open(caller, kind)
        if not (call.loop.is_dead or self.world.is_closed):
            caller.asking[call] = None
            self.world.after(self.latency(), self._wait_at_store, call, effect)
        return call.future

    def _wait_at_store(self, call: Call, effect: Effect) -> None:
        if call.lost == "lose request" or self._is_away(call.kind):
            self.world.after(self.latency(), self._end, call, None, TransientError(f"{call.kind}: no answer"))
            return
        self.world.enter(self.stores)
        task = call.task = self.stores.create_task(call.context.run(effect), context=call.context)
        task.add_done_callback(lambda task: self._waited(call, task))

    def _waited(self, call: Call, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            return
        self.world.tell(f"{call.loop.name} {call.kind}")
        lost = call.lost == "lose response"
        error = TransientError(f"{call.kind}: connection lost") if lost else task.exception()
        found = None if error else task.result()
        self.world.after(self.latency(), self._end, call, found, error)

    # Services.

    def rpc(self, caller: Node, service: str, kind: str, handler: Handler) -> Call:
        """Have one instance of a service answer a call."""
        call = self._open(caller, kind)
        if not (call.loop.is_dead or self.world.is_closed):
            caller.asking[call] = None
            wait = self.latency() + (call.fault.seconds if call.lost == "slow" else 0)  # type: ignore[union-attr]
            self.world.after(wait, self._at_service, call, service, handler)
        return call

    def _at_service(self, call: Call, service: str, handler: Handler) -> None:
        if call.future.cancelled():
            return
        living = [node for node in self.nodes[service] if not node.loop.is_dead]
        if call.lost == "lose request" or self._is_away(call.kind) or not living:
            self._fail(call)
            return
        node = living[int(self.world.random.random() * len(living))] if len(living) > 1 else living[0]
        call.target = node
        node.answering[call] = None
        self.world.tell(f"{call.loop.name} {call.kind} to {node.name}")
        work = call.context.run(handler, node.service)
        call.task = node.loop.create_task(work, context=call.context)
        call.task.add_done_callback(lambda task: self._answered(call, node, task))
        if call.lost == "cut":
            self.world.after(call.fault.seconds, self._cut, call)  # type: ignore[union-attr]
        if call.loop.is_dead:  # the call was the last that its caller did
            self.world.after(self.latency(), self._cancel, call)
        if node.loop.is_frozen:
            self._wait_in_vain(call)

    def _answered(self, call: Call, node: Node, task: asyncio.Task[Any]) -> None:
        node.answering.pop(call, None)
        found: object = None
        error: Exception | None = None
        if task.cancelled():
            error = TransientError(f"{call.kind}: cancelled")
        elif (raised := task.exception()) is None:
            found = task.result()
        elif isinstance(raised, TransientError | UnavailableError):
            error = TransientError(f"{call.kind}: {raised}")
        else:
            if not isinstance(raised, ServiceError):
                self.world.find(f"{node.name}: {call.kind}: unexpected {raised!r}")
                raised = TransientError(f"{call.kind}: internal error")
            error = raised
        if call.lost == "lose response":
            found, error = None, TransientError(f"{call.kind}: connection lost")
        self.world.after(self.latency(), self._end, call, found, error)

    def _cut(self, call: Call) -> None:
        if not call.future.done():
            self._fail(call)
            self.world.after(
                self.world.random.choice((0, _KEEPALIVE)) * self.world.random.random(), self._cancel, call
            )

    def _fail(self, call: Call) -> None:
        self.world.after(self.latency(), self._end, call, None, TransientError(f"{call.kind}: unavailable"))

    def cancel(self, call: Call) -> None:
        """The caller waits no more."""
        call.caller.asking.pop(call, None)
        call.future.cancel()
        self.world.after(self.latency(), self._cancel, call)

    def _cancel(self, call: Call) -> None:
        if call.task is not None and not call.task.done():
            loop = call.target.loop if call.target else self.stores
            if not loop.is_dead:
                loop.call_soon(call.task.cancel)

    # Processes.

    def lose(self, node: Node) -> None:
        """A process has died: whom it was to answer hears of it, and whom it asked."""
        for call in list(node.answering):
            self._fail(call)
        for call in list(node.asking):
            # Without the end of the connection the other side notices by keepalive only.
            wait = self.latency() if self.world.random.random() < 0.6 else _KEEPALIVE
            self.world.after(wait, self._cancel, call)
        node.answering.clear()
        node.asking.clear()

    def frozen(self, node: Node) -> None:
        """A process is frozen: whom it was to answer waits, though not for ever."""
        for call in node.answering:
            self._wait_in_vain(call)

    def _wait_in_vain(self, call: Call) -> None:
        self.world.after(_KEPT if call.kind in STREAMS else _DEADLINE, self._fail, call)


class Stream:
    """Messages of a stream, in order."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.is_cut = False  # what is on its way is lost
        self._items = deque[Any]()
        self._last = 0.0
        self._waiter: asyncio.Future[None] | None = None

    def send(self, item: object) -> None:
        """Send a message."""
        world = self._network.world
        self._last = max(self._last, world.now) + self._network.latency()
        world.after(self._last - world.now, self._carried, item)

    def _carried(self, item: object) -> None:
        if not self.is_cut:
            self.arrive(item)

    def arrive(self, item: object) -> None:
        """A message, or an error, is there."""
        self._items.append(item)
        waiter = self._waiter
        if waiter is not None and not waiter.done() and not waiter.get_loop().is_dead:  # type: ignore[attr-defined]
            waiter.set_result(None)

    async def next(self) -> Any:
        """The next message. Raises an error that is there instead of it."""
        while not self._items:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        found = self._items.popleft()
        if isinstance(found, Exception):
            raise found
        return found
