"""Streams that a tenant has open at this replica."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ingestor.access.limits.quotas import QuotaLimits, QuotaName, check


class StreamPlaces:
    """Counts open streams by tenant."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    @contextmanager
    def place(self, tenant: str, limits: QuotaLimits) -> Iterator[None]:
        """A place for one stream. Raises QuotaExceededError when the tenant has none left."""
        check(QuotaName.STREAMS, limits, self._open[tenant])
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]

    def used(self, tenant: str) -> int:
        """How many streams a tenant has open."""
        return self._open.get(tenant, 0)
