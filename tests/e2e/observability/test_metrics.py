"""What every service of a running suite shows to Prometheus."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import yaml

from tests.deployment_files.observability.metrics import (
    OWN,
    Scrape,
    asked_for,
    queries,
    scrape_all,
    table,
    without_unit,
)
from tests.e2e.conftest import Suite, wait_until
from tests.e2e.tables import write_readings

OBSERVABILITY = Path(__file__).parents[3] / "deploy" / "observability"
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
# What gauges count.
THINGS = (
    "batches", "calls", "connections", "converters", "deliveries", "events", "info", "messages",
    "places", "processes", "removals", "runs", "streams", "tasks", "watchers",
)  # fmt: skip


def test_the_reference_has_every_metric(suite: Suite, tmp_path: Path) -> None:
    expected = table(scrape_all(suite.facts))
    (tmp_path / "table.md").write_text(expected)
    assert expected in PAGE.read_text("utf-8"), f"the table of {PAGE} must be that of {tmp_path}/table.md"


def test_names_tell_the_unit_and_help_is_a_sentence(suite: Suite) -> None:
    for scrape in scrape_all(suite.facts).values():
        own = {name: family for name, family in scrape.families.items() if name.startswith(OWN)}
        assert own
        of_type = {kind: [name for name in own if own[name].type == kind] for kind in ("gauge", "histogram")}
        assert not without_unit(of_type["gauge"], THINGS)
        assert not without_unit(of_type["histogram"], ())
        assert [name for name, family in own.items() if not family.documentation.endswith(".")] == []


def test_gauges_follow_a_file_that_waits(suite: Suite, tmp_path: Path) -> None:
    """With the processor held, the file waits in every place; afterwards nothing does."""

    def shown(service: str, sample: str, **labels: str) -> float:
        return Scrape.of(suite.facts["services"][service]["metrics"]).value(sample, **labels)

    def stages() -> dict[str, float]:
        scrape = Scrape.of(suite.facts["services"]["processor"]["metrics"])
        found = [
            sample
            for family in scrape.families.values()
            for sample in family.samples
            if sample.name == "ingestor_batch_stage_seconds_count"
        ]
        return {sample.labels["stage"]: sample.value for sample in found}

    waiting: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("orchestrator", "ingestor_queue_messages", {"queue": "rows", "state": "visible"}),
        ("orchestrator", "ingestor_batches_in_flight", {}),
        ("orchestrator", "ingestor_streams_open", {}),
        ("upload", "ingestor_deliveries_open", {"state": "sending"}),
        ("status", "ingestor_batches_waiting", {}),
        ("status", "ingestor_tenant_batches_waiting", {"tenant": "default"}),
        ("status", "ingestor_processes_running", {"state": "DISPATCHING"}),
    )
    before = stages()
    done = {"tenant": "default", "state": "succeeded"}
    loaded = shown("status", "ingestor_tenant_rows_total", **done)
    processor = suite.pid("processor")
    os.kill(processor, signal.SIGSTOP)
    try:
        source = write_readings(tmp_path / "r.csv", 300_000)
        process = suite.json("ingest", str(source), "--no-wait")["process_id"]
        for service, sample, labels in waiting:
            wait_until(lambda: shown(service, sample, **labels) > 0, f"{sample} above 0")  # noqa: B023
        wait_until(lambda: shown("status", "ingestor_oldest_batch_age_seconds") > 3, "a batch that is old")
    finally:
        os.kill(processor, signal.SIGCONT)
    suite.run("watch", process)
    for service, sample, labels in waiting:
        wait_until(lambda: shown(service, sample, **labels) == 0, f"{sample} at 0")  # noqa: B023
    assert shown("status", "ingestor_oldest_batch_age_seconds") == 0
    assert shown("status", "ingestor_tenant_rows_total", **done) == loaded + 300_000
    after = stages()
    assert set(after) == {"queue", "fetch", "parse", "check", "encode", "load", "copy", "commit", "report"}
    assert all(after[stage] > before[stage] for stage in after)
    queue = Scrape.of(suite.facts["services"]["processor"]["metrics"]).value(
        "ingestor_batch_stage_seconds_sum", stage="queue"
    )
    assert queue > 3
    for service, work in {
        "orchestrator": ("delimit", "pack"),
        "processor": ("unpack", "parse", "check", "encode"),
    }.items():
        assert all(shown(service, "ingestor_stage_cpu_seconds_total", stage=name) > 0 for name in work)


def test_dashboards_and_alerts_ask_for_metrics_that_are_there(suite: Suite) -> None:
    there = Scrape.of(suite.facts["gateway_metrics"]).names
    for scrape in scrape_all(suite.facts).values():
        there |= scrape.names
    there.add("ingestor_certificate_expiry_timestamp_seconds")  # with TLS only
    found = [*OBSERVABILITY.glob("alerts/*.yaml"), *OBSERVABILITY.glob("grafana/dashboards/*.json")]
    for path in found:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            text = "\n".join(queries(text))
        else:
            rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
            text = "\n".join(rule["expr"] for rule in rules)
        labels = {"envoy_cluster_name", "envoy_response_code_class", "envoy_http_conn_manager_prefix"}
        asked = asked_for(text) - labels
        assert asked, path
        assert asked <= there, f"{path}: {asked - there}"
