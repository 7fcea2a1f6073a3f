"""Keys that are for some pipelines only: what calls such a key may make, and what it sees.

A method that is not named here is refused to such a key. Rows, counts and events of processes are seen where
status reads them: only those of the key's pipelines exist for it, also when another service asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ingestor.access.principal import Principal, current_principal
from ingestor.runtime.errors import PermissionDeniedError

# Methods whose request names a pipeline, and the field with its name.
_NAMED = {
    "ingestor.v1.PipelineService/GetPipeline": "name",
    "ingestor.v1.PipelineService/ListPipelineVersions": "name",
    "ingestor.v1.PipelineService/DeletePipeline": "name",
    "ingestor.v1.PipelineService/ApplyPipeline": "document_json",
    "ingestor.v1.ProcessorService/DryRun": "pipeline",
    "ingestor.v1.UploadService/CompleteUpload": "pipeline",
    "ingestor.v1.UploadService/DryRunUpload": "pipeline",
}
# Methods that show more than one process unless their request names it.
_OF_A_PROCESS = frozenset({"ingestor.v1.StatusService/ListEvents", "ingestor.v1.StatusService/WatchEvents"})
# Methods on processes, which are looked up, and on uploads, which have no pipeline before they are complete.
_FREE = frozenset(
    {
        "ingestor.v1.AccessService/GetAccess",
        "ingestor.v1.OrchestratorService/CancelProcess",
        "ingestor.v1.OrchestratorService/PauseProcess",
        "ingestor.v1.OrchestratorService/ResumeProcess",
        "ingestor.v1.OrchestratorService/RetryRows",
        "ingestor.v1.PipelineService/ListPipelines",
        "ingestor.v1.ProcessorService/GetReceiptKey",
        "ingestor.v1.ProcessorService/ListLoadedRows",
        "ingestor.v1.ProcessorService/UndoProcess",
        "ingestor.v1.ProcessorService/VerifyProcess",
        "ingestor.v1.StatusService/DeleteProcess",
        "ingestor.v1.StatusService/DownloadReport",
        "ingestor.v1.StatusService/GetProcess",
        "ingestor.v1.StatusService/GetRow",
        "ingestor.v1.StatusService/ListBatches",
        "ingestor.v1.StatusService/ListProcesses",
        "ingestor.v1.StatusService/ListRows",
        "ingestor.v1.StatusService/SummarizeErrors",
        "ingestor.v1.StatusService/WatchProcess",
        "ingestor.v1.UploadService/AbortUpload",
        "ingestor.v1.UploadService/CreateUpload",
        "ingestor.v1.UploadService/GetUpload",
        "ingestor.v1.UploadService/InspectUpload",
        "ingestor.v1.UploadService/WriteChunk",
        "ingestor.v1.UploadService/WriteUpload",
    }
)
_POSSIBLE = _FREE | _OF_A_PROCESS | _NAMED.keys()


def only_pipelines() -> Collection[str] | None:
    """Pipelines of which the caller sees the processes; None: all."""
    principal = current_principal()
    return principal.pipelines if principal and principal.pipelines else None


def sees_pipeline(name: str) -> bool:
    """Whether the caller sees processes of a pipeline; "" is that of files without one."""
    only = only_pipelines()
    return only is None or name in only


def may_make(principal: Principal, method: str) -> bool:
    """Whether a principal may call a method for some pipeline, its role apart."""
    return not principal.pipelines or method in _POSSIBLE


def check_call(principal: Principal, method: str, request: Any) -> None:
    """Raise PermissionDeniedError (PIPELINE_NOT_ALLOWED) when a call is not for a pipeline of the principal's
    key. `request` is the first message of a stream."""
    if not principal.pipelines or method in _FREE:
        return
    pipelines = ", ".join(sorted(principal.pipelines))
    if method in _OF_A_PROCESS:
        if not request.process_id:
            raise _refused(f"The key is for {pipelines} only, so the call must name a process.")
        return
    if method not in _NAMED:
        raise _refused(f"The key is for {pipelines} only, and this call shows more than that.")
    if getattr(request, "repairs_process_id", "") and not request.pipeline:
        return  # the process is looked up
    name = _name(request, _NAMED[method])
    if name not in principal.pipelines:
        what = f"not for {name[:100]!r}" if name else "so the call must name one of these"
        raise _refused(f"The key is for {pipelines} only, {what}.")


def _name(request: Any, field: str) -> str:
    """The name of the pipeline in a request; "" without one, and for a document beside the stored ones."""
    value: str = getattr(request, field)
    if field == "document_json":
        return name_in(value)
    if getattr(request, "document_json", ""):
        return ""
    return value.partition("@")[0]


def name_in(document_json: str) -> str:
    """The name in a pipeline document; "" when it has none."""
    try:
        document = json.loads(document_json)
    except (ValueError, RecursionError):
        return ""
    name = document.get("name") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""


def _refused(message: str) -> PermissionDeniedError:
    return PermissionDeniedError("PIPELINE_NOT_ALLOWED", message)
