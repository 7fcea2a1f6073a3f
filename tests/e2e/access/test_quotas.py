"""Quotas and fairness, in a whole suite with tenants that have keys."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.files.data import pipeline, write_csv
from ingestor import Client
from ingestor.client.errors import QuotaExceededError
from tests.e2e.conftest import Suite, wait_until


def tenant_of(suite: Suite, name: str, *quotas: str) -> Client:
    """A client of an admin of a new tenant with these quotas."""
    options = [word for quota in quotas for word in ("--quota", quota)]
    made = suite.json("admin", "tenants", "create", name, "--key", *options)
    return Client(suite.gateway, token=made["token"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    """Files by their number of rows."""
    folder = tmp_path_factory.mktemp("files")
    found = {rows: folder / f"{rows}.csv" for rows in (1_000, 100_000, 600_000)}
    for rows, path in found.items():
        write_csv(path, rows)
    yield found


def refused(error: pytest.ExceptionInfo[QuotaExceededError]) -> tuple[str, int | None]:
    """The quota that refuses, and its limit."""
    return error.value.quota, error.value.limit


def test_a_process_waits_for_the_next_day_or_for_a_higher_limit(suite: Suite, files: dict[int, Path]) -> None:
    with tenant_of(suite, "thrifty", "rows_per_day=1") as client:
        reference = client.pipelines.apply(pipeline("thrifty")).reference
        process = client.ingest(files[100_000], reference)
        wait_until(lambda: process.refresh().state == "PAUSED", "the pause")
        counts = process.counts
        assert 0 < counts.succeeded == counts.read < 100_000  # one batch, whole
        assert process.pause_reason.startswith("The tenant has used its 1 rows of today; more from ")
        with pytest.raises(QuotaExceededError) as caught:
            process.resume()
        assert refused(caught) == ("rows_per_day", 1)
        with pytest.raises(QuotaExceededError) as caught:
            client.ingest(files[1_000], reference)
        assert refused(caught) == ("rows_per_day", 1)

        suite.run("admin", "tenants", "quotas", "thrifty", "rows_per_day=none")

        def resumed() -> bool:
            try:
                process.resume()
            except QuotaExceededError:
                return False
            return True

        wait_until(resumed, "the new limit")
        done = process.wait()
        assert (done.state, done.counts.succeeded) == ("COMPLETED", 100_000)
        used = {quota.name: quota.used for quota in client.access.quotas()}
        assert (used["rows_per_day"], used["tables"], used["pipelines"]) == (100_000, 1, 1)
        assert used["bytes_stored"] == files[100_000].stat().st_size + files[1_000].stat().st_size


def test_refusals_name_their_quota(suite: Suite, files: dict[int, Path]) -> None:
    quotas = ("open_uploads=0", "pipelines=1", "tables=0", "streams=3")
    with tenant_of(suite, "narrow", *quotas) as client:
        with pytest.raises(QuotaExceededError, match="all of its 0 open uploads") as caught:
            client.ingest(files[1_000])
        assert refused(caught) == ("open_uploads", 0)
        reference = client.pipelines.apply(pipeline("narrow")).reference
        with pytest.raises(QuotaExceededError, match="all of its 1 pipelines"):
            client.pipelines.apply(pipeline("wide"))
        suite.run("admin", "tenants", "quotas", "narrow", "open_uploads=1")
        wait_until(lambda: _sent(client, files[1_000], reference), "the new limit")
        process = next(iter(client.processes()))
        wait_until(lambda: process.refresh().state == "PAUSED", "the pause")
        assert "all of its 0 tables" in process.pause_reason
        process.cancel()


def _sent(client: Client, path: Path, reference: str) -> bool:
    try:
        client.ingest(path, reference)
    except QuotaExceededError:
        return False
    return True


def test_a_small_file_does_not_wait_for_the_large_file_of_another_tenant(
    suite: Suite, files: dict[int, Path]
) -> None:
    with tenant_of(suite, "crowd") as crowd, tenant_of(suite, "single") as single:
        document = pipeline("single")
        document["sink"]["mode"] = "upsert"
        small = single.pipelines.apply(document).reference

        def seconds() -> float:
            started = time.perf_counter()
            assert single.ingest(files[1_000], small).wait().state == "COMPLETED"
            return time.perf_counter() - started

        seconds()
        alone = statistics.median(seconds() for _ in range(5))
        large = crowd.ingest(files[600_000], crowd.pipelines.apply(pipeline("crowd")).reference)
        wait_until(lambda: large.refresh().counts.succeeded, "the first rows of the large file")
        beside = []
        while large.refresh().counts.succeeded < 500_000:
            beside.append(seconds())
        assert large.wait().state == "COMPLETED"
    assert beside, "the large file was loaded before a small one"
    # Other work of the machine may take a second. Waiting behind the large file took five and more.
    assert statistics.median(beside) <= 3 * alone + 1
