"""Nobody reads or writes anything of another tenant. What is another's looks like what is not there."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from ingestor.access.calls import CallSigner
from ingestor.access.keyring import KeyRing
from ingestor.access.roles import INTERNAL_FILES
from ingestor.access.scope import within
from ingestor.v1 import common_pb2, orchestrator_pb2, pipelines_pb2, processor_pb2, status_pb2, upload_pb2
from tests.e2e.access.calls import ABOUT_ONE, Names, document, public_methods
from tests.e2e.access.conftest import STRANGER, VICTIM, AccessSuite, ended, everything_of, send

MARK = "xenolith"  # is in every name and cell of the victim


@pytest.fixture
def untouched(access: AccessSuite, victim: Names, stranger: Names) -> Any:
    """The victim's data are the same afterwards."""
    before = asyncio.run(everything_of(access.suite.dsn, VICTIM))
    assert any(name.startswith("tenant_acme.") for name in before)
    yield
    after = asyncio.run(everything_of(access.suite.dsn, VICTIM))
    assert {name for name in before if before[name] != after.get(name)} == set()


def test_calls_about_another_tenant(
    access: AccessSuite, victim: Names, stranger: Names, untouched: None
) -> None:
    token = access.issuer.token("mallory", STRANGER, "admin")
    for method in public_methods():
        nothing = Names()
        unknown = access.ask(method, token=token, names=nothing)
        foreign = access.ask(method, token=token, names=victim)
        assert MARK not in victim.replaced(foreign.text), (method, foreign)
        if method in ABOUT_ONE:
            assert foreign.code == "NOT_FOUND", (method, foreign)
        assert (foreign.code, foreign.reason) == (unknown.code, unknown.reason), (method, foreign, unknown)
        assert victim.replaced(foreign.message) == nothing.replaced(unknown.message), method


@pytest.mark.parametrize(
    "text",
    ["", f'file_name:"{MARK}"', f'pipeline="{MARK}_pipeline"', "state=COMPLETED_WITH_ERRORS"],
)
def test_filters_find_nothing_of_others(
    access: AccessSuite, victim: Names, stranger: Names, text: str
) -> None:
    token = access.issuer.token("mallory", STRANGER, "admin")
    request = status_pb2.ListProcessesRequest(filter=text, page_size=1000)
    found = access.must("StatusService/ListProcesses", request, token).processes
    assert MARK not in str(found)
    assert {process.info.tenant for process in found} <= {STRANGER}
    repairs = status_pb2.ListProcessesRequest(filter=f'repairs="{victim.process}"')
    assert not access.must("StatusService/ListProcesses", repairs, token).processes


def test_page_tokens_of_others_are_refused(access: AccessSuite, victim: Names, stranger: Names) -> None:
    ours = access.issuer.token("ann", VICTIM, "admin")
    ended(access, ours, send(access, ours, b"id\n7\n", victim.pipeline, f"{MARK}_2.csv"))
    page = access.must("StatusService/ListProcesses", status_pb2.ListProcessesRequest(page_size=1), ours)
    assert page.next_page_token
    answer = access.ask(
        "StatusService/ListProcesses",
        status_pb2.ListProcessesRequest(page_size=1, page_token=page.next_page_token),
        token=access.issuer.token("mallory", STRANGER, "admin"),
    )
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_a_process_of_another_tenant_cannot_be_repaired(
    access: AccessSuite, victim: Names, stranger: Names, untouched: None
) -> None:
    token = access.issuer.token("mallory", STRANGER, "admin")
    request = upload_pb2.CompleteUploadRequest(upload_id=stranger.upload, repairs_process_id=victim.process)
    answer = access.ask("UploadService/CompleteUpload", request, token=token)
    assert (answer.code, answer.reason) == ("NOT_FOUND", "PROCESS_NOT_FOUND")


@pytest.mark.parametrize(
    "table",
    [
        "tenant_acme.xenolith_table",
        "tenant_acme.mallory",
        "processor.applied_batches",
        "status.processes",
        "access.api_keys",
        "public.mallory",
        "upload.uploads",
    ],
)
def test_tables_of_others_cannot_be_used(
    access: AccessSuite, victim: Names, stranger: Names, untouched: None, table: str
) -> None:
    token = access.issuer.token("mallory", STRANGER, "admin")
    name = "mallory_" + table.replace(".", "_")
    described = access.ask(
        "ProcessorService/DescribeTable", processor_pb2.DescribeTableRequest(table=table), token=token
    )
    assert described.code != "OK", described
    request = pipelines_pb2.ApplyPipelineRequest(document_json=document(name, table))
    applied = access.ask("PipelineService/ApplyPipeline", request, token=token)
    if applied.code != "OK":  # the suite's own schemas are refused by name before privileges are asked
        assert applied.reason == "INVALID_PIPELINE"
        return
    process = send(access, token, b"id\n1\n2\n", name, "mallory.csv")
    stopped = ended(access, token, process, or_state=common_pb2.PROCESS_STATE_PAUSED)
    assert stopped.counts.succeeded == 0
    access.ask(
        "OrchestratorService/CancelProcess",
        orchestrator_pb2.CancelProcessRequest(process_id=process),
        token=token,
    )


def test_tenants_have_tables_of_the_same_name(access: AccessSuite, victim: Names, stranger: Names) -> None:
    token = access.issuer.token("mallory", STRANGER, "admin")
    access.must(
        "PipelineService/ApplyPipeline",
        pipelines_pb2.ApplyPipelineRequest(document_json=document("same", victim.table)),
        token,
    )
    process = send(access, token, b"id\n1\n2\n", "same", "same.csv")
    assert ended(access, token, process).counts.succeeded == 2
    rows = asyncio.run(
        access.suite.fetch("SELECT (SELECT count(*) FROM tenant_globex.xenolith_table), "
                           "(SELECT count(*) FROM tenant_acme.xenolith_table)")
    )  # fmt: skip
    assert rows[0][0] == 2
    assert rows[0][1] >= 3


def test_request_ids_belong_to_who_sent_them(access: AccessSuite, victim: Names, stranger: Names) -> None:
    request = upload_pb2.CreateUploadRequest(file_name="a.csv", size_bytes=5, request_id="the-same")
    made = {
        access.must(
            "UploadService/CreateUpload", request, access.issuer.token(*who, "uploader")
        ).upload.upload_id
        for who in (("ann", VICTIM), ("ben", VICTIM), ("ann", STRANGER), ("ann", VICTIM))
    }
    assert len(made) == 3


def _internal_methods() -> list[str]:
    return [
        f"{service.full_name}/{method.name}"
        for file in INTERNAL_FILES
        for service in file.services_by_name.values()
        if service.name != "ConverterService"  # runs in no suite here; tests/contract/converter asks it
        for method in service.methods
    ]


@pytest.mark.parametrize("method", _internal_methods())
def test_internal_methods_are_for_services(access: AccessSuite, method: str) -> None:
    """At the gateway there is no way to them; at a service they want a service that may call them."""
    service = "orchestrator" if "IngestionService" in method else "status"
    address = access.suite.facts["services"][service]["address"]
    admin = [("authorization", f"Bearer {access.issuer.token('ann', VICTIM, 'admin')}")]
    forger = CallSigner(KeyRing({"local": b"x" * 32}), "processor")
    with within(VICTIM):
        forged = [("ingestor-call", forger.token())]
    for target, metadata, expected in (
        (access.suite.gateway, admin, {"UNIMPLEMENTED"}),
        (address, admin, {"PERMISSION_DENIED"}),
        (address, [], {"UNAUTHENTICATED"}),
        (address, forged, {"UNAUTHENTICATED"}),
    ):
        with grpc.insecure_channel(target) as channel:
            made: Any = channel.unary_unary(f"/{method}")
            with pytest.raises(grpc.RpcError) as caught:
                made(b"", metadata=metadata, timeout=10)
        assert caught.value.code().name in expected, (target, caught.value)
