"""While strangers of another tenant attack, an innocent file is loaded, and no service ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor import AsyncClient
from ingestor.local.folder import Folder
from tests.e2e.conftest import Suite
from tests.e2e.tables import write_pipeline, write_readings
from tests.hostile.attacks import ATTACKS, attacked

ROWS = 100_000
SERVICES = ("upload", "orchestrator", "processor", "status")


def test_services_have_two_gibibytes_together(suite: Suite) -> None:
    """So the attacks are tried under that bound."""
    state = Folder(suite.data).state()
    assert state
    if state["memory_group"] is None:
        pytest.skip("control groups cannot be made here")
    folder = Path(state["memory_group"])
    limits = [folder / name for name in ("memory.max", "memory.limit_in_bytes")]
    assert {int(limit.read_text()) for limit in limits if limit.exists()} == {2 * 2**30}
    members = {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    assert members >= {suite.pid(service) for service in SERVICES}


@pytest.fixture(scope="module")
def innocent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file."""
    return write_readings(tmp_path_factory.mktemp("innocent") / "readings.csv", ROWS)


@pytest.fixture(scope="module")
def key(suite: Suite) -> str:
    """An API key of the strangers' tenant."""
    token: str = suite.json("admin", "tenants", "create", "strangers", "--key")["token"]
    return token


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_innocent_file_is_loaded(
    suite: Suite, client: AsyncClient, innocent: Path, key: str, tmp_path: Path, name: str
) -> None:
    table = f"innocent_{[*ATTACKS].index(name)}"
    document = write_pipeline(tmp_path, table)
    before = {service: suite.pid(service) for service in SERVICES}
    async with attacked(suite.gateway, key, name, tmp_path):
        process = await client.ingest(innocent, document)
        ended = await process.wait(timeout=120)
    assert (ended.state, ended.counts.succeeded) == ("COMPLETED", ROWS), ended.failure
    assert await suite.fetch(f"SELECT count(*) FROM {table}") == [(ROWS,)]
    assert {service: suite.pid(service) for service in SERVICES} == before, "a service has ended"
