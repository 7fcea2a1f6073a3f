"""The use cases of the catalogue of pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ingestor.access.limits.quotas import QuotaName, Quotas, check
from ingestor.document_checks import DocumentChecks
from ingestor.formats import NewerReleaseError
from ingestor.pipeline_documents import read_stored
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import NotFoundError
from ingestor.services.orchestrator.ports import PipelineStore, StoredPipeline


class PipelineService:
    """Stores, finds and deletes pipelines; stored documents are valid."""

    def __init__(self, store: PipelineStore, clock: Clock, quotas: Quotas, documents: DocumentChecks) -> None:
        self._store = store
        self._documents = documents
        self._quotas = quotas
        self._clock = clock

    async def apply(self, document: str, *, dry_run: bool) -> tuple[StoredPipeline, bool]:
        """Store a document; return the latest version, and whether it is new. With `dry_run` only return what
        that would be. Raises InvalidArgumentError, which names invalid keys as JSON Pointers, and
        QuotaExceededError (pipelines)."""
        pipeline = await self._documents.read(document)
        if dry_run:
            latest = await self._store.get(pipeline.name, None)
            if latest is not None and await asyncio.to_thread(_is, latest, pipeline):
                return latest, False
            known = await self._store.versions(pipeline.name, None, 1)
            version = known[0].version + 1 if known else 1
            if latest is None:
                check(QuotaName.PIPELINES, await self._quotas.limits(), await self._store.count())
            return StoredPipeline(pipeline.name, version, document, self._clock.now()), True
        return await self._store.add(
            pipeline.name, document, pipeline.canonical_json(), await self._quotas.limits()
        )

    async def get(self, name: str, version: int) -> StoredPipeline:
        """A version (0 for the latest). Raises NotFoundError."""
        found = await self._store.get(name, version or None)
        if found is None:
            wanted = f"{name}@{version}" if version else name
            raise NotFoundError("PIPELINE_NOT_FOUND", f"Pipeline {wanted} does not exist.")
        return found

    async def list(self, after: str, limit: int, columns: Sequence[str] = ()) -> Sequence[StoredPipeline]:
        """The latest version of each pipeline that is not deleted and whose name is after `after`, by
        name. With `columns` only of those that have loaded a file with just these columns, in any order."""
        return await self._store.list(after, limit, columns)

    async def loaded(self, name: str, columns: Sequence[str]) -> None:
        """Remember that the pipeline loads a file with these columns; "" is one that is not read."""
        await self._store.loaded(name, columns)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        """Versions below `before` (None for all), newest first, even of a deleted pipeline. Raises
        NotFoundError when it never existed."""
        found = await self._store.versions(name, before, limit)
        if not found and not await self._store.versions(name, None, 1):
            raise NotFoundError("PIPELINE_NOT_FOUND", f"Pipeline {name} does not exist.")
        return found

    async def delete(self, name: str) -> None:
        """Delete a pipeline; its versions stay. Idempotent. Raises NotFoundError when it never existed."""
        await self.versions(name, None, 1)
        await self._store.delete(name)


def _is(stored: StoredPipeline, pipeline: Pipeline) -> bool:
    """Whether the stored document is the same as this one."""
    try:
        known = read_stored(stored.name, stored.version, stored.document)
    except NewerReleaseError:  # then it says more
        return False
    return known.canonical_json() == pipeline.canonical_json()
