"""Pipelines in memory: the orchestrator's store, and the catalogue as the processor asks it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ingestor.access import scope
from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits, QuotaName, check
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.runtime.errors import NotFoundError
from ingestor.services.orchestrator.ports import PipelineStore, StoredPipeline
from ingestor.services.processor.ports import Pipelines


class MemoryCatalogue(Pipelines):
    def __init__(self) -> None:
        self._known: dict[str, dict[str, list[Pipeline]]] = {}

    @property
    def known(self) -> dict[str, list[Pipeline]]:
        return self._known.setdefault(scope.tenant(), {})

    def add(self, document: str) -> None:
        """Store the next version."""
        pipeline = parse_pipeline(document)
        self.known.setdefault(pipeline.name, []).append(pipeline)

    async def get(self, name: str, version: int) -> Pipeline:
        known = self.known.get(name, [])
        if not known or version > len(known):
            raise NotFoundError("PIPELINE_NOT_FOUND", f"There is no pipeline {name}.")
        return known[version - 1]


class MemoryPipelines(PipelineStore):
    def __init__(self) -> None:
        self._stored: dict[str, dict[str, list[tuple[str, StoredPipeline]]]] = {}
        self._deleted: dict[str, set[str]] = {}
        self._remembered: dict[str, set[tuple[str, frozenset[str]]]] = {}

    @property
    def remembered(self) -> set[tuple[str, frozenset[str]]]:
        return self._remembered.setdefault(scope.tenant(), set())

    @property
    def stored(self) -> dict[str, list[tuple[str, StoredPipeline]]]:
        return self._stored.setdefault(scope.tenant(), {})

    @property
    def deleted(self) -> set[str]:
        return self._deleted.setdefault(scope.tenant(), set())

    async def add(
        self, name: str, document: str, canonical: str, limits: QuotaLimits = NO_LIMITS
    ) -> tuple[StoredPipeline, bool]:
        if name not in self.stored or name in self.deleted:
            check(QuotaName.PIPELINES, limits, await self.count())
        known = self.stored.setdefault(name, [])
        if known and known[-1][0] == canonical and name not in self.deleted:
            return known[-1][1], False
        self.deleted.discard(name)
        made = StoredPipeline(name, len(known) + 1, document, datetime.now(UTC))
        known.append((canonical, made))
        return made, True

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        if version is None and name in self.deleted:
            return None
        known = self.stored.get(name, [])
        number = len(known) if version is None else version
        return known[number - 1][1] if 1 <= number <= len(known) else None

    async def list(self, after: str, limit: int, columns: Sequence[str] = ()) -> Sequence[StoredPipeline]:
        names = [name for name in sorted(self.stored) if name > after and name not in self.deleted]
        if columns:
            names = [name for name in names if (name, frozenset(columns)) in self.remembered]
        return [self.stored[name][-1][1] for name in names][:limit]

    async def loaded(self, name: str, columns: Sequence[str]) -> None:
        self.remembered.add((name, frozenset(filter(None, columns))))

    async def count(self) -> int:
        return sum(name not in self.deleted for name in self.stored)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        found = [stored for _, stored in reversed(self.stored.get(name, []))]
        return [stored for stored in found if before is None or stored.version < before][:limit]

    async def delete(self, name: str) -> None:
        if name in self.stored:
            self.deleted.add(name)
