"""Pipeline documents of callers: checked in a process that may die of them."""

from __future__ import annotations

import asyncio
import hashlib

from ingestor.access.scope import tenant
from ingestor.pipeline_documents import invalid
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.processes.pool import OverLimitError, Processes

_REMEMBERED = 1000  # documents


class DocumentChecks:
    """Reads documents; each may be checked for so many seconds. One that was found right is not checked
    again, so that it does not wait behind those of others."""

    def __init__(self, processes: Processes, seconds: float) -> None:
        self._processes = processes
        self._seconds = seconds
        self._right = set[bytes]()  # digests of documents

    async def read(self, document: str) -> Pipeline:
        """Parse and check a document, for the scope's tenant. Raises InvalidArgumentError: INVALID_PIPELINE,
        which names wrong keys as JSON Pointers, and PIPELINE_TOO_COMPLEX."""
        digest = hashlib.sha256(document.encode()).digest()
        if digest not in self._right:
            await self._check(document)
            if len(self._right) >= _REMEMBERED:
                self._right.clear()
            self._right.add(digest)
        return await asyncio.to_thread(parse_pipeline, document)

    async def _check(self, document: str) -> None:
        try:
            found = await self._processes.call(
                "ingestor.pipeline_documents:problems", document, seconds=self._seconds, group=tenant()
            )
        except OverLimitError as error:
            raise InvalidArgumentError(
                "PIPELINE_TOO_COMPLEX",
                f"Checking the pipeline document {error}. Simplify its expressions, patterns or JSON "
                "Schemas, or split it.",
            ) from None
        if found:
            raise invalid(found)
