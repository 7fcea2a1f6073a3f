"""Quotas in memory, of one tenant."""

from __future__ import annotations

from collections.abc import Mapping

from ingestor.access.limits.quotas import QuotaExceededError, QuotaLimits, QuotaName, Quotas, check


class MemoryUsage:
    """What is used today."""

    def __init__(self) -> None:
        self.used: dict[QuotaName, int] = {}

    def spend(self, name: QuotaName, amount: int, limits: QuotaLimits) -> None:
        """Count what is used. Raises QuotaExceededError when it does not fit."""
        used = self.used.get(name, 0)
        if amount > 0:
            check(name, limits, used, amount)
            self.used[name] = used + amount

    def give_back(self, name: QuotaName, amount: int) -> None:
        """Take back what was counted and was not used."""
        self.used[name] = max(0, self.used.get(name, 0) - max(0, amount))


class MemoryQuotas(Quotas):
    def __init__(self, limits: Mapping[QuotaName, int] | None = None) -> None:
        self.set = dict(limits or {})
        self.usage = MemoryUsage()

    async def limits(self) -> QuotaLimits:
        return self.set

    async def check_rows(self) -> None:
        limit = self.set.get(QuotaName.ROWS_PER_DAY)
        used = self.usage.used.get(QuotaName.ROWS_PER_DAY, 0)
        if limit is not None and used >= limit:
            raise QuotaExceededError(QuotaName.ROWS_PER_DAY, limit, used, 0)
