"""The suite in as many programs as Kubernetes runs: a converter of its own, a processor for calls and one for
batches. What goes wrong in one does not harm the others."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import openpyxl
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ingestor.local.folder import Folder
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.v1 import processor_pb2, processor_pb2_grpc
from tests.e2e.conftest import Suite, running, stopped, wait_until
from tests.e2e.tables import write_pipeline, write_readings
from tests.e2e.test_crashes import ROWS, batches_processed, check_exactly_once, start


@dataclass
class Converter:
    """A converter as a program of its own, which a test may kill and start again."""

    data: Path  # of the suite
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with nothing but its own settings: no database, no other service."""
        folder = Folder(self.data)
        own = {
            "INGESTOR_LISTEN": f"{LOOPBACK}:{self.port}",
            "INGESTOR_METRICS_LISTEN": "",
            "INGESTOR_AUTH": "required",
            "INGESTOR_INTERNAL_KEYS": f"local:{folder.password('internal')}",
            "INGESTOR_FILE_STORE_DIR": str(folder.files),
            "INGESTOR_DRAIN_SECONDS": "3",
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")}
        command = [sys.executable, "-m", "ingestor.services.upload.converter"]
        with (folder.logs / "converter.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=others | own, stdout=log, stderr=log)

    def programs(self) -> list[psutil.Process]:
        """What it converts by now."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children()

    def kill(self) -> None:
        """End it as the kernel would, and what it runs."""
        assert self.process is not None
        programs = self.programs() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait()
        for program in programs:
            program.kill()


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converter]:
    """The converter of the suite `roles`."""
    data = tmp_path_factory.mktemp("roles")
    Folder(data).prepare(0)
    made = Converter(data, free_port())
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def roles(converter: Converter) -> Iterator[Suite]:
    """A suite with that converter, `processor` for calls and `processor-2` for batches."""
    env = {
        "INGESTOR_CONVERTER_ADDRESS": f"{LOOPBACK}:{converter.port}",
        "INGESTOR_PROCESSOR_ROLE": "api",
    }
    with running(converter.data, "--processors", "2", **env) as started:
        yield started


def write_workbook(path: Path, rows: int) -> Path:
    """An XLSX file of id, name and amount."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.append(["id", "name", "amount"])
    for number in range(1, rows + 1):
        sheet.append([number, f"reading {number}", number + 0.25])
    book.save(path)
    return path


async def test_a_workbook_goes_through_the_converter(
    roles: Suite, converter: Converter, tmp_path: Path
) -> None:
    source = write_workbook(tmp_path / "r.xlsx", 500)
    answer = roles.ingest(source, "--pipeline", str(write_pipeline(tmp_path, "by_converter")))
    assert answer["counts"]["succeeded"] == 500
    assert '"event": "converted"' in (Folder(converter.data).logs / "converter.log").read_text("utf-8")
    assert "converted" not in (Folder(converter.data).logs / "upload.log").read_text("utf-8")
    assert roles.json("inspect", str(source))["sampled_rows"] > 0


async def test_a_converter_killed_in_mid_run(roles: Suite, converter: Converter, tmp_path: Path) -> None:
    process = start(roles, write_workbook(tmp_path / "r.xlsx", 60_000), write_pipeline(tmp_path, "lost"))
    wait_until(converter.programs, "a conversion")
    converter.kill()
    converter.start()
    await check_exactly_once(roles, process, 60_000, "lost")


@pytest.fixture
async def channel(roles: Suite) -> AsyncIterator[grpc.aio.Channel]:
    """To the gateway."""
    async with grpc.aio.insecure_channel(roles.gateway) as made:
        yield made


async def test_a_processor_killed_in_a_dry_run_leaves_batches_alone(
    roles: Suite, channel: grpc.aio.Channel, tmp_path: Path
) -> None:
    pipeline = write_pipeline(tmp_path, "api_killed")
    process = start(roles, write_readings(tmp_path / "r.csv", ROWS), pipeline)
    wait_until(lambda: batches_processed(roles, process) >= 1, "a processed batch")
    forever = asyncio.Event()

    async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
        yield processor_pb2.DryRunRequest(document_json=pipeline.read_text("utf-8"))
        yield processor_pb2.DryRunRequest(data=b"id,name,amount\n")
        for part in range(8):  # several slices, so that it has begun
            rows = range(part * 50_000, (part + 1) * 50_000)
            yield processor_pb2.DryRunRequest(data=b"".join(b"%d,somebody,1\n" % row for row in rows))
        await forever.wait()

    dry_run = asyncio.ensure_future(processor_pb2_grpc.ProcessorServiceStub(channel).DryRun(requests()))
    async with asyncio.timeout(30):
        while not (await roles.fetch("SELECT count(*) FROM pg_class WHERE relpersistence = 't'"))[0][0]:
            assert not dry_run.done(), await dry_run
            await asyncio.sleep(0.05)  # between two looks at whether it has begun
    api, worker = roles.pid("processor"), roles.pid("processor-2")
    os.kill(api, signal.SIGKILL)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await dry_run
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await check_exactly_once(roles, process, ROWS, "api_killed")
    assert roles.pid("processor-2") == worker  # one process all the time
    small = write_readings(tmp_path / "small.csv", 5)
    wait_until(
        lambda: roles.run("ingest", str(small), "--dry-run", status=None).returncode == 0, "a new processor"
    )
    assert _seen(roles, "processor-2", "ingestor_batches_total") and not _seen(
        roles, "processor-2", "ProcessorService"
    )


def batches_dispatched(suite: Suite, process: str) -> int:
    """Batches in the queue or beyond it."""
    return int(suite.json("status", process, status=None)["batches_dispatched"])


def _seen(suite: Suite, instance: str, text: str) -> bool:
    """Whether the metrics of an instance have a text."""
    url = suite.facts["services"][instance]["metrics"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        return text in answer.read().decode()


async def test_each_role_does_its_own_work(roles: Suite, tmp_path: Path) -> None:
    source = write_readings(tmp_path / "r.csv", 50_000)
    with stopped(roles.pid("processor-2")):
        process = start(roles, source)
        wait_until(
            lambda: roles.json("status", process, status=None)["batches_dispatched"] >= 1,
            "a batch in the queue",
        )
        # The api answers, and leaves the batches where they are.
        answer = roles.json(
            "ingest", str(source), "--dry-run", "--pipeline", str(write_pipeline(tmp_path, "x"))
        )
        assert answer["counts"]["succeeded"] == 50_000
        assert batches_processed(roles, process) == 0
    await check_exactly_once(roles, process, 50_000)
    # The worker has no calls, but health.
    ports = [
        found.laddr.port
        for found in psutil.Process(roles.pid("processor-2")).net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    ]
    metrics = int(roles.facts["services"]["processor-2"]["metrics"].split(":")[2].split("/")[0])
    (port,) = set(ports) - {metrics}
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}") as worker:
        stub: Any = health_pb2_grpc.HealthStub(worker)
        health = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await processor_pb2_grpc.ProcessorServiceStub(worker).UndoProcess(
                processor_pb2.UndoProcessRequest(process_id=process), timeout=10
            )
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
