"""Remembers of which tables an upsert has met known keys lately. Rows with new keys only need no upsert."""

from __future__ import annotations

_MOST = 1000


class NewKeys:
    """By tenant and table: whether the next rows are expected to have new keys only."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def expected(self, tenant: str, target: str) -> bool:
        """So it is until a key was known."""
        return (tenant, target) not in self._known

    def note(self, tenant: str, target: str, *, new: bool) -> None:
        """Some rows had new keys only, or not."""
        if new:
            self._known.discard((tenant, target))
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known.add((tenant, target))
