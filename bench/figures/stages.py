"""Where the CPU seconds of a run went, stage by stage on the way of rows."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bench.figures.usage import Usage

_METRIC = "ingestor_stage_cpu_seconds_total"
_ORCHESTRATOR = ("delimit", "pack")
_PROCESSOR = ("unpack", "parse", "check", "encode")


def counted(suite: Mapping[str, Any]) -> dict[str, float]:
    """CPU seconds so far of the stages that the services count themselves; of all instances together."""
    seconds: dict[str, float] = {}
    for service in suite["services"].values():
        with urllib.request.urlopen(service["metrics"], timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == _METRIC:
                    stage = sample.labels["stage"]
                    seconds[stage] = seconds.get(stage, 0.0) + sample.value
    return seconds


def stages(usage: Usage, before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by stage, in the order of the way: what the services counted, and what else each process
    and its backends in PostgreSQL used. Their sum is all that was used."""
    cpu = usage.cpu
    work = {stage: after.get(stage, 0.0) - before.get(stage, 0.0) for stage in (*_ORCHESTRATOR, *_PROCESSOR)}

    def rest(service: str, own: tuple[str, ...]) -> float:
        return cpu.get(service, 0.0) - sum(work[stage] for stage in own)

    found = {
        "client": cpu.get("client", 0.0),
        "gateway": cpu.get("envoy", 0.0),
        "upload": cpu.get("upload", 0.0) + cpu.get("postgres: upload", 0.0),
        **{stage: work[stage] for stage in _ORCHESTRATOR},
        "orchestrator, the rest": rest("orchestrator", _ORCHESTRATOR)
        + cpu.get("postgres: orchestrator", 0.0),
        "queue": cpu.get("SQS emulator", 0.0),
        **{stage: work[stage] for stage in _PROCESSOR},
        "processor, the rest": rest("processor", _PROCESSOR),
        "COPY": cpu.get("postgres: processor", 0.0),
        "ledger": cpu.get("status", 0.0) + cpu.get("postgres: status", 0.0),
    }
    found["other"] = sum(cpu.values()) - sum(found.values())
    return found
