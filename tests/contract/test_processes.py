"""What an undo asks the status service for, and what a batch of a removed process is told."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.runtime.grpc.channel import open_channel
from ingestor.services.orchestrator.adapters.grpc_status import GrpcStatus
from ingestor.services.orchestrator.ingestions import FileInfo
from ingestor.services.orchestrator.ports import Progress
from ingestor.services.processor.adapters.grpc_status import GrpcOutcomes, GrpcProcesses
from ingestor.services.processor.batches import BatchKey, BatchRange, unprocessed_outcome
from ingestor.services.processor.ports import Disposition, ProcessFacts, UndoCounts
from ingestor.v1 import status_pb2, status_pb2_grpc
from tests.fakes.processes import MemoryProcesses
from tests.fakes.status import MemoryStatus
from tests.status_stub import channel_of


class GrpcEnds:
    """A running service."""

    def __init__(self, orchestrator: Any, processor: Any, person: Any) -> None:
        """Channels of these."""
        self.processes = GrpcProcesses(processor)
        self.status = GrpcStatus(orchestrator)
        self.outcomes = GrpcOutcomes(processor)
        self._stub = status_pb2_grpc.StatusServiceStub(person)

    async def add(self, facts: ProcessFacts) -> None:
        """Begin a process."""
        file = FileInfo(
            facts.process_id, facts.tenant, "u", "a.csv", 9, facts.pipeline, facts.pipeline_version,
            facts.repairs,
        )  # fmt: skip
        await self.status.started(file)

    async def end(self, process_id: str) -> None:
        """End it."""
        await self.status.cancelled(process_id)

    async def delete(self, process_id: str) -> None:
        """Delete it."""
        await self._stub.DeleteProcess(status_pb2.DeleteProcessRequest(process_id=process_id))


class MemoryEnds:
    """The fakes of both."""

    def __init__(self) -> None:
        self.processes = MemoryProcesses()
        self.status = self.outcomes = MemoryStatus()

    async def add(self, facts: ProcessFacts) -> None:
        """Begin a process."""
        self.processes.processes[facts.process_id] = facts
        await self.status.started(FileInfo(facts.process_id, facts.tenant, "u", "a.csv", 9, "", 0))

    async def end(self, process_id: str) -> None:
        """End it."""
        self.processes.end(process_id)
        await self.status.cancelled(process_id)

    async def delete(self, process_id: str) -> None:
        """Delete it."""
        self.processes.delete(process_id)
        self.status.delete(process_id)


Ends = GrpcEnds | MemoryEnds


@pytest.fixture
async def grpc_service(status_address: str) -> AsyncIterator[GrpcEnds]:
    """A running service."""
    async with (
        channel_of("orchestrator", status_address) as orchestrator,
        channel_of("processor", status_address) as processor,
        open_channel(status_address) as person,
    ):
        yield GrpcEnds(orchestrator, processor, person)


@pytest.fixture
def memory() -> MemoryEnds:
    """The fakes."""
    return MemoryEnds()


@pytest.fixture(params=["grpc_service", "memory"], ids=["grpc", "memory"])
def ends(request: pytest.FixtureRequest) -> Ends:
    """Both."""
    made: Ends = request.getfixturevalue(request.param)
    return made


def facts(repairs: str = "") -> ProcessFacts:
    """A process that runs."""
    return ProcessFacts(str(uuid.uuid4()), "default", "people", 3, False, False, repairs)


async def test_processes_and_their_repairs(ends: Ends) -> None:
    made = facts()
    repairs = [facts(made.process_id), facts(made.process_id)]
    for process in (made, *repairs, facts()):
        await ends.add(process)
    assert await ends.processes.get(made.process_id) == made
    found = await ends.processes.repairs_of(made.process_id)
    assert sorted(found, key=str) == sorted(repairs, key=str)
    assert await ends.processes.repairs_of(repairs[0].process_id) == []
    await ends.end(repairs[0].process_id)
    assert (await ends.processes.get(repairs[0].process_id)).ended
    with pytest.raises(NotFoundError) as caught:
        await ends.processes.get(str(uuid.uuid4()))
    assert caught.value.reason == "PROCESS_NOT_FOUND"


async def test_an_undo_is_recorded(ends: Ends) -> None:
    made = facts()
    await ends.add(made)
    counts = UndoCounts(5, 4, 3)
    with pytest.raises(FailedPreconditionError) as running:
        await ends.processes.record_undo(made.process_id, counts)
    assert running.value.reason == "PROCESS_RUNNING"
    await ends.end(made.process_id)
    for _ in range(2):
        await ends.processes.record_undo(made.process_id, counts)
    assert (await ends.processes.get(made.process_id)).ended
    with pytest.raises(NotFoundError):
        await ends.processes.record_undo(str(uuid.uuid4()), counts)


async def test_a_deleted_process_is_gone_for_everyone(ends: Ends) -> None:
    made = facts()
    assert await ends.outcomes.disposition(made.process_id) is Disposition.RUNNING  # it may be heard of yet
    other = facts()
    await ends.add(other)
    await ends.end(other.process_id)
    await ends.delete(other.process_id)
    assert await ends.outcomes.disposition(other.process_id) is Disposition.GONE
    assert await ends.status.progress(other.process_id) == Progress("DELETED", True, 0)
    with pytest.raises(NotFoundError) as caught:
        await ends.processes.get(other.process_id)
    assert caught.value.reason == "PROCESS_DELETED"
    with pytest.raises(NotFoundError) as caught:
        await ends.add(other) if isinstance(ends, GrpcEnds) else await ends.status.started(
            FileInfo(other.process_id, "default", "u", "a.csv", 9, "", 0)
        )
    assert caught.value.reason == "PROCESS_DELETED"
    key = BatchKey(other.process_id, "default", BatchRange(1, 1, 5, 2, 0, 9))
    await ends.outcomes.record(unprocessed_outcome(key))  # nothing is recorded, nothing is to be done
    assert await ends.status.progress(other.process_id) == Progress("DELETED", True, 0)
