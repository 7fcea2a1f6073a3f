"""What services and the gateway show to Prometheus, and the table of docs/reference/metrics.md."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

OWN = ("ingestor_", "grpc_server_")  # other names are those of the process and of Envoy


_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Scrape:
    """The metrics of a target at one moment, by name (a counter's without `_total`)."""

    families: Mapping[str, Metric]

    @staticmethod
    def of(url: str) -> Scrape:
        """Ask a target."""
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read().decode()
        return Scrape({family.name: family for family in text_string_to_metric_families(text)})

    def value(self, sample: str, **labels: str) -> float:
        """The sum of the samples of this name with these labels; 0 without one."""
        return sum(
            found.value
            for family in self.families.values()
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )

    @property
    def names(self) -> set[str]:
        """The names of all samples that queries may ask for, even if there are none yet."""
        found = {sample.name for family in self.families.values() for sample in family.samples}
        for family in self.families.values():
            found.update(family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",)))
            if not family.name.startswith(OWN):  # Envoy's counters have no suffix, and the parser adds one
                found.add(family.name)
        return found


def scrape_all(facts: Mapping[str, Any]) -> dict[str, Scrape]:
    """Every service of a running suite (`ingestor env --json`)."""
    return {name: Scrape.of(service["metrics"]) for name, service in facts["services"].items()}


@dataclass
class _Row:
    kind: str
    documentation: str
    services: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


def table(scrapes: Mapping[str, Scrape]) -> str:
    """The suite's own metrics as a table of Markdown: those of every service first, then by name."""
    rows: dict[str, _Row] = {}
    for service, scrape in scrapes.items():
        for family in scrape.families.values():
            if not family.name.startswith(OWN):
                continue
            name = family.name + ("_total" if family.type == "counter" else "")
            row = rows.setdefault(name, _Row(family.type, family.documentation))
            row.services.append(service)
    lines = ["| name | type | services | meaning |", "|---|---|---|---|"]
    for name, row in sorted(rows.items(), key=lambda item: (-len(item[1].services), item[0])):
        services = "every" if len(row.services) == len(scrapes) else ", ".join(sorted(row.services))
        lines.append(f"| `{name}` | {row.kind} | {services} | {row.documentation} |")
    return "\n".join(lines) + "\n"


UNITS = ("_seconds", "_bytes", "_total", "_timestamp_seconds")


def without_unit(names: Iterable[str], things: Iterable[str]) -> list[str]:
    """Names of metrics that neither end with a unit nor have one of `things`, which they count, as a word."""
    counted = set(things)
    return [name for name in names if not name.endswith(UNITS) and not counted & set(name.split("_"))]


def queries(board: str) -> list[str]:
    """The queries of a dashboard (JSON), with values for the variables of Grafana."""
    found = [target["expr"] for panel in json.loads(board)["panels"] for target in panel.get("targets", ())]
    values = {"$__rate_interval": "1m", "$__range": "3h", "$namespace": ".*"}
    for name, value in values.items():
        found = [query.replace(name, value) for query in found]
    return found


def asked_for(text: str) -> set[str]:
    """The metrics that PromQL, or a text full of it, asks for; recorded ones apart."""
    return set(re.findall(r"\b(?:ingestor|grpc_server|envoy|process)_\w+", text))
