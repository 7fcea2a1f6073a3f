"""The sync client: the same as the asynchronous one, from plain code."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor import AsyncClient, AsyncProcess, Client, Process
from ingestor.client import (
    Access,
    AsyncAccess,
    AsyncPipelines,
    NotFoundError,
    Pipelines,
    UploadProgress,
)
from tests.fakes.gateway import Suite, a_process, on_a_thread

PAIRS = [(AsyncClient, Client), (AsyncProcess, Process), (AsyncPipelines, Pipelines), (AsyncAccess, Access)]


@pytest.fixture
def served() -> Iterator[Suite]:
    with on_a_thread() as made:
        yield made


def methods(cls: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }


def plain(annotation: str) -> str:
    """What stands in the sync client where the asynchronous one has this."""
    for name in ("AsyncProcess", "AsyncIterator", "AsyncClient"):
        annotation = annotation.replace(name, name.removeprefix("Async"))
    return annotation


@pytest.mark.parametrize(("asynchronous", "sync"), PAIRS, ids=lambda cls: cls.__name__)
def test_both_have_the_same_methods(asynchronous: type, sync: type) -> None:
    ours, theirs = methods(sync), methods(asynchronous)
    assert ours.keys() == theirs.keys()
    for name, signature in theirs.items():
        assert ours[name].return_annotation == plain(signature.return_annotation), name
        expected = [
            p.replace(annotation=plain(p.annotation) if isinstance(p.annotation, str) else p.annotation)
            for p in signature.parameters.values()
        ]
        assert list(ours[name].parameters.values()) == expected, name


@pytest.mark.parametrize(("asynchronous", "sync"), PAIRS, ids=lambda cls: cls.__name__)
def test_what_is_awaited_there_is_plain_here(asynchronous: type, sync: type) -> None:
    for name, signature in methods(asynchronous).items():
        iterates = str(signature.return_annotation).startswith("AsyncIterator")
        method = getattr(asynchronous, name)
        assert iterates != inspect.iscoroutinefunction(method), name
        assert not inspect.iscoroutinefunction(getattr(sync, name)), name


@pytest.mark.parametrize(("asynchronous", "sync"), PAIRS, ids=lambda cls: cls.__name__)
def test_every_method_is_documented(asynchronous: type, sync: type) -> None:
    for name in methods(asynchronous):
        text = getattr(sync, name).__doc__
        assert text and "See Async" not in text and "AsyncProcess" not in text, name


def test_both_are_made_alike() -> None:
    assert inspect.signature(Client) == inspect.signature(AsyncClient)


def test_a_file_goes_in_and_rows_come_out(served: Suite, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n")
    uploaded: list[UploadProgress] = []
    states: list[str] = []
    with Client(served.address) as client:
        process = client.ingest(path, "customers", on_upload=uploaded.append)
        # `progress` runs here, so it may call the client.
        process.wait(lambda p: states.append(p.refresh().state))
        assert process.counts.read == 10
        assert [row.number for row in process.rows()] == [1, 2, 3, 4, 5]
        assert [found.id for found in client.processes()] == ["p1", "p2"]
        assert client.pipelines.apply({"name": "customers"}).reference == "customers@1"
        with pytest.raises(NotFoundError):
            client.process("p9")
    assert bytes(served.uploads.content) == b"id\n1\n"
    assert uploaded[-1].sent == 5 and states == ["COMPLETED"]


def test_an_iterator_may_be_left_early(served: Suite) -> None:
    with Client(served.address) as client:
        rows = client.process("p1").rows()
        assert next(rows).number == 1
        rows.close()  # type: ignore[attr-defined]
        assert len(served.status.asked) == 1


def test_a_callback_on_the_thread_of_the_client_must_not_call_it(served: Suite, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n")

    def look(_: UploadProgress) -> None:
        client.process("p1")

    with Client(served.address) as client, pytest.raises(RuntimeError, match="must not call the client"):
        client.ingest(path, on_upload=look)


def test_a_closed_client_refuses_calls(served: Suite) -> None:
    client = Client(served.address)
    client.process("p1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.process("p1")


def test_no_task_outlives_the_client(served: Suite, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n")
    with Client(served.address) as client:
        for _ in range(5):
            served.uploads.content.clear()
            client.ingest(path).wait()
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


def test_threads_share_a_client(served: Suite) -> None:
    served.status.course = [a_process()]
    with Client(served.address) as client:
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(client.process("p1").id)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["p1"] * 8


def test_importing_the_client_loads_nothing_of_the_services() -> None:
    code = (
        "import sys, ingestor; assert 'grpc' not in sys.modules; ingestor.Client; ingestor.AsyncClient\n"
        "heavy = {'numpy', 'pyarrow', 'polars', 'pydantic', 'structlog', 'asyncpg', 'uvloop', 'click',"
        " 'prometheus_client', 'stamina'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_names_what_it_has_not() -> None:
    import ingestor

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ingestor.nothing  # noqa: B018
