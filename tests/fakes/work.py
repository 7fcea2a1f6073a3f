"""Work of callers, done here."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from ingestor.document_checks import DocumentChecks
from ingestor.runtime.processes.pool import Processes
from ingestor.services.processor.api import ProcessorApi
from ingestor.services.processor.dry_run import DryRunWork


class Here(Processes):
    """Runs functions in a thread of this process."""

    async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
        module, _, name = function.partition(":")
        return await asyncio.to_thread(getattr(importlib.import_module(module), name), *arguments)


def processor_api(
    pipelines: Any,
    undos: Any,
    dry_runs: Any,
    tables: Any,
    loaded: Any = None,
    verification: Any = None,
    **limits: float,
) -> ProcessorApi:
    """The processor's API, whose work is done here."""
    seconds = {"idle_seconds": 30.0, "most_seconds": 60.0, **limits}
    return ProcessorApi(pipelines, undos, dry_runs, tables, loaded, verification, DOCUMENTS, WORK, **seconds)


DOCUMENTS = DocumentChecks(Here(), 10)
WORK = DryRunWork(Here(), 10)
