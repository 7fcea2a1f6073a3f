"""What the programs ask of AWS while files go through is what the policies of deploy/iam allow: no less, no
more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from ingestor.local.ports import free_port
from ingestor.local.services import is_serving
from ingestor.provisioning.names import SERVICES
from ingestor.v1 import processor_pb2, processor_pb2_grpc
from tests.deployment_files.iam.policies import POLICIES, Ask, actions, allowed, asks, unused
from tests.e2e.conftest import Suite, running, wait_until
from tests.e2e.tables import write_readings

# Allowed, and not asked for here; each with its reason.
NOT_SEEN = {
    # Files of several segments become one by a multipart upload, which is ended when an instance was lost.
    ("upload", "s3:AbortMultipartUpload"), ("upload", "s3:ListBucketMultipartUploads"),
    ("converter", "s3:AbortMultipartUpload"), ("converter", "s3:ListBucketMultipartUploads"),
    # Batches that are sent again are cut from the file; one too large for a message is read from it.
    ("orchestrator", "s3:GetObject"), ("processor-worker", "s3:GetObject"),
    # Of the dead-letter queue, in which there is nothing here.
    ("processor-worker", "sqs:DeleteMessage"), ("processor-worker", "sqs:ChangeMessageVisibility"),
    ("admin", "sqs:SendMessage"), ("admin", "sqs:DeleteMessage"), ("admin", "sqs:ChangeMessageVisibility"),
    # `ingestor up` has made the queues already.
    ("admin", "sqs:CreateQueue"),
    # An upload that was going on when its tenant was removed.
    ("admin", "s3:AbortMultipartUpload"),
    # A file that is missing is "not found" only to who may list the bucket; others are refused.
    ("orchestrator", "s3:ListBucket"), ("processor-worker", "s3:ListBucket"),
    ("processor-api", "s3:ListBucket"),
}  # fmt: skip


def program(command: str, role: str) -> str:
    """The role of deploy/ that a recorded program has."""
    if "upload.converter" in command:
        return "converter"
    for service in SERVICES:
        if f"ingestor.services.{service}" in command:
            return f"processor-{role}" if service == "processor" else service
    return "admin" if " admin " in command else "suite"


def recorded(folder: Path) -> set[tuple[str, Ask]]:
    """Role and what it asked for."""
    found = set()
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            call: dict[str, Any] = json.loads(line)
            role = program(call["program"], call["role"])
            found |= {(role, ask) for ask in asks(call)}
    return {(role, ask) for role, ask in found if role != "suite"}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[tuple[str, Ask]]]:
    """What was recorded while files were ingested, deleted, and a tenant was removed."""
    folder = tmp_path_factory.mktemp("calls")
    converter = f"127.0.0.1:{free_port()}"
    environment = {
        "PYTHONPATH": str(Path(__file__).parent),
        "AWS_CALLS_FOLDER": str(folder),
        "INGESTOR_FILE_STORE": "s3",
        "INGESTOR_PROCESSOR_ROLE": "worker",
        "INGESTOR_CONVERTER_ADDRESS": converter,
        "INGESTOR_PAGE_DIR": str(folder / "none"),
    }
    data = tmp_path_factory.mktemp("suite")
    with running(data, **environment) as suite, ExitStack() as stack:
        upload = psutil.Process(suite.pid("upload")).environ()
        for name, module, more in (
            ("upload", "upload.converter", {}),
            ("processor", "processor", {"INGESTOR_PROCESSOR_ROLE": "api"}),
        ):
            listen = converter if name == "upload" else f"127.0.0.1:{free_port()}"
            own = psutil.Process(suite.pid(name)).environ()
            own |= {"INGESTOR_LISTEN": listen, "INGESTOR_METRICS_LISTEN": "", **more}
            process = subprocess.Popen([sys.executable, "-m", f"ingestor.services.{module}"], env=own)
            stack.callback(process.wait, 60)
            stack.callback(process.send_signal, signal.SIGTERM)
            wait_until(lambda at=listen: is_serving(at, ""), module)  # type: ignore[misc]
        use(suite, data, listen)
        administer(suite, upload)
    yield recorded(folder)


def use(suite: Suite, folder: Path, processor_api: str) -> None:
    """Ingest a table and a workbook, wait for their events, verify one, delete it."""
    from openpyxl import Workbook

    write_readings(folder / "readings.csv", rows=20_000)
    done = suite.ingest(folder / "readings.csv")
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [("a", "b"), *((n, f"x{n}") for n in range(2000))]:
        sheet.append(row)
    book.save(folder / "book.xlsx")
    suite.ingest(folder / "book.xlsx")
    with grpc.insecure_channel(processor_api) as channel:
        request = processor_pb2.VerifyProcessRequest(process_id=done["process_id"])
        *_, last = processor_pb2_grpc.ProcessorServiceStub(channel).VerifyProcess(request, timeout=120)
        assert last.result.agrees
    suite.run("delete", done["process_id"], "--yes")


def administer(suite: Suite, environment: dict[str, str]) -> None:
    """The jobs of whoever runs the suite."""
    admin: list[str | Path] = [Path(sys.executable).with_name("ingestor"), "admin"]
    variables = {name: value for name, value in environment.items() if name != "INGESTOR_DATABASE_URL"}
    variables["INGESTOR_ADMIN_DATABASE_URL"] = suite.dsn
    for arguments in (["queues"], ["check", "--one-role"], ["redrive"], ["tenants", "create", "gone"]):
        done = subprocess.run(
            [*admin, *arguments], env=variables, check=False, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    with subprocess.Popen(
        [*admin, "tenants", "remove", "gone", "--yes"], env=variables, stderr=subprocess.PIPE, text=True
    ) as remove:
        assert remove.stderr is not None
        said = []
        for line in remove.stderr:
            said.append(line)
            if "for files that services still write" in line:
                remove.terminate()  # after that it does what it has done before
                return
    raise AssertionError(f"tenants remove: {''.join(said)}")


def test_every_call_is_allowed(calls: set[tuple[str, Ask]]) -> None:
    roles = {role for role, _ in calls}
    assert roles == {
        "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "admin"
    }  # fmt: skip
    assert [
        f"{role}: {ask}" for role, ask in sorted(calls) if not allowed(role, ask) and not ask.emulator_only
    ] == []


def test_nothing_else_is_allowed(calls: set[tuple[str, Ask]]) -> None:
    assert {(role, action) for role in POLICIES for action in unused(role, calls)} - NOT_SEEN == set()
    assert {(role, action) for role, action in NOT_SEEN if action not in actions(role)} == set()


def test_the_recorder_sees_calls(tmp_path: Path) -> None:
    code = (
        "import asyncio\nfrom aiobotocore.session import get_session\n"
        "async def main():\n"
        "  async with get_session().create_client('sqs', 'x', endpoint_url='http://[::1]:1') as c:\n"
        "    await c.get_queue_url(QueueName='q')\n"
        "asyncio.run(main())"
    )
    environment = {
        **os.environ, "PYTHONPATH": str(Path(__file__).parent), "AWS_CALLS_FOLDER": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, timeout=60
    )
    (file,) = tmp_path.glob("*.jsonl")
    call = json.loads(file.read_text().splitlines()[0])
    assert (call["operation"], call["queue"]) == ("GetQueueUrl", "q")
