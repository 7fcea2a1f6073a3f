"""The faults of a schedule: a plan, drawn from the seed, whose faults can be left out one by one."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Calls that may go wrong, by how often they are chosen.
CALLS = (
    "uploads.take", "uploads.keep_content", "uploads.renew", "uploads.done", "uploads.give_back",
    "orchestrator.begin", "orchestrator.ingest", "ingestions.hold", "ingestions.record",
    "ingestions.record", "ingestions.mark_sent", "ingestions.mark_sent", "ingestions.set_layout",
    "ingestions.finish", "status.started", "status.header_read", "status.dispatched", "status.dispatched",
    "status.finished", "status.finished", "status.watch", "status.progress", "queue.send", "queue.send",
    "queue.receive", "queue.hide", "queue.delete", "queue.delete", "sink.load", "sink.load", "sink.settle",
    "sink.forget_outcome", "status.disposition", "status.record", "status.record", "status.record",
    "ledger.change", "ledger.dispatch", "ledger.record", "outbox.send", "outbox.mark",
)  # fmt: skip
STREAMS = ("orchestrator.ingest", "status.watch")
NODES = ("upload", "orchestrator", "processor", "status")
STORES = ("uploads", "ingestions", "queue", "sink", "ledger", "outbox", "status", "orchestrator")
_STEPS = {"upload": 120, "orchestrator": 260, "processor": 420, "status": 260}  # of a schedule, about
_SECONDS = 6.0  # within which faults begin


@dataclass(frozen=True)
class Fault:
    """One fault. `where` is a call, a store or a service, `nth` a call or a step, `at` and `seconds` are
    times."""

    kind: str
    where: str = ""
    nth: int = 0
    at: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        what = [self.kind, self.where]
        if self.nth:
            what.append(f"#{self.nth}")
        if self.at:
            what.append(f"at {self.at:.3f} s")
        if self.seconds:
            what.append(f"for {self.seconds:.3f} s")
        return " ".join(filter(None, what))


# How often each kind is chosen.
_KINDS = {
    "crash": 10,  # before a step; it starts again after `seconds`
    "freeze": 4,  # before a step, for `seconds`
    "lose request": 4,  # of the nth call
    "lose response": 8,
    "slow": 4,  # the nth call takes `seconds`
    "cut": 3,  # the nth stream, after `seconds`: its caller notices at once, the other side later
    "outage": 2,  # of a store or a service
    "double": 5,  # the nth message that is sent
    "lose message": 3,
    "delay message": 3,
    "deliver again": 4,  # the nth received message, while it is worked on
    "exhaust": 2,  # the nth received message: it was received as often as the queue allows
    "purge": 1,
    "lock lost": 2,  # the nth that a stream takes, which goes on
    "pause": 3,
    "cancel": 2,
    "delete": 2,  # after its end
    "clock": 2,  # of a node is wrong by `seconds`
}


_PRINTED = re.compile(r"(.+?)(?: #(\d+))?(?: at ([\d.]+) s)?(?: for ([\d.-]+) s)?")


def plan(random: random.Random, focus: Sequence[str] = ()) -> tuple[Fault, ...]:
    """Draw the faults of a schedule. `focus`: of these kinds only, each with where it is to happen, when and
    for how long, or not ("crash processor", "slow sink.load #1 for 9 s", "double")."""
    if focus:
        chosen = random.choices(focus, k=random.randint(2, 6))
    else:
        count = random.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6))
        chosen = random.choices(list(_KINDS), list(_KINDS.values()), k=count)
    return tuple(_chosen(random, one) for one in chosen)


def _chosen(random: random.Random, text: str) -> Fault:
    """A fault as it is printed, of which anything but its kind may be left out."""
    found = _PRINTED.fullmatch(text)
    assert found is not None, f"{text} is no fault"
    what, nth, at, seconds = found.groups()
    kind = next(kind for kind in _KINDS if what == kind or what.startswith(f"{kind} "))
    drawn = _draw(random, kind, what[len(kind) + 1 :])
    return replace(
        drawn,
        nth=int(nth) if nth else drawn.nth,
        at=float(at) if at else drawn.at,
        seconds=float(seconds) if seconds else drawn.seconds,
    )


def _draw(random: random.Random, kind: str, where: str) -> Fault:
    at = random.uniform(0.001, _SECONDS) if random.random() < 0.5 else random.uniform(0.001, 0.5)
    long = random.choice((0.05, 0.5, 2.0, 12.0)) * random.uniform(0.5, 1.5)
    if kind in ("crash", "freeze"):
        service = where or random.choice(NODES)
        return Fault(kind, f"{service} {random.randrange(2)}", random.randint(1, _STEPS[service]), 0, long)
    if kind in ("lose request", "lose response", "slow"):
        call = where or random.choice(CALLS)
        return Fault(kind, call, random.randint(1, 6), 0, long if kind == "slow" else 0)
    if kind == "cut":
        return Fault(kind, where or random.choice(STREAMS), random.randint(1, 3), 0, long / 10)
    if kind == "outage":
        return Fault(kind, where or random.choice(STORES), 0, at, long)
    if kind in ("double", "lose message", "delay message", "deliver again", "exhaust"):
        return Fault(kind, "", random.randint(1, 8), 0, 0 if kind in ("double", "lose message") else long)
    if kind == "lock lost":
        return Fault(kind, "", random.randint(1, 3))
    if kind == "clock":
        return Fault(kind, f"{random.choice(NODES)} {random.randrange(2)}", 0, 0, random.uniform(-3, 3))
    if kind == "delete":
        return Fault(kind, "", 0, 0, random.uniform(0.0, 2.0))
    return Fault(kind, "", 0, at, long if kind == "pause" else 0)


def named(faults: Sequence[Fault], kind: str) -> dict[int, Fault]:
    """The faults of a kind, by their number."""
    return {fault.nth: fault for fault in faults if fault.kind == kind}
