"""How much of a replica one caller and one tenant may take at a time, so that the others are answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric

from ingestor.access.principal import Principal
from ingestor.runtime.grpc.admission import too_many

Kind = Literal["calls", "streams"]


@dataclass(frozen=True)
class Most:
    """Places at a time."""

    caller: int
    tenant: int


class Shares:
    """Counts what runs here by caller and by tenant. A person is a caller. The keys of a tenant are one
    together, so that machines, however many keys they have, leave places for its people."""

    def __init__(self, calls: Most, streams: Most, registry: CollectorRegistry) -> None:
        self._refused = Metric(
            "ingestor_calls_over_share_total",
            "Calls refused because their caller or tenant had too many under way.", ["of"],
            registry=registry,
        )  # fmt: skip
        self._most: dict[Kind, Most] = {"calls": calls, "streams": streams}
        self._running = Counter[tuple[str, ...]]()

    @contextmanager
    def place(self, principal: Principal, kind: Kind) -> Iterator[None]:
        """A place for a call or a stream. Raises UnavailableError (TOO_MANY_CALLS) when the caller or its
        tenant has all of its places. Services and, in local mode, the one caller need none."""
        if principal.kind in ("service", "local"):
            yield
            return
        most = self._most[kind]
        who = ("keys", principal.tenant) if principal.kind == "key" else ("person", principal.subject)
        taken = ((kind, *who), (kind, "tenant", principal.tenant))
        for place, limit, of in zip(taken, (most.caller, most.tenant), ("caller", "tenant"), strict=True):
            if self._running[place] >= limit:
                self._refused.labels(of).inc()
                raise too_many(_sentence(principal, kind, of, limit), limit, of)
        for place in taken:
            self._running[place] += 1
        try:
            yield
        finally:
            for place in taken:
                self._running[place] -= 1
                if not self._running[place]:
                    del self._running[place]


def _sentence(principal: Principal, kind: Kind, of: str, limit: int) -> str:
    who = "The tenant has"
    if of == "caller":
        who = "The API keys of the tenant have" if principal.kind == "key" else "You have"
    return f"{who} {limit:,} {kind} under way here, which is the most"
