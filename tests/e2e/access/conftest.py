"""A suite in which every call needs a token, with two tenants that have something of every kind."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import google_crc32c
import grpc
import pytest

from ingestor.provisioning.tenants import create_tenant
from ingestor.states import TERMINAL
from ingestor.v1 import access_pb2, authorization_pb2, pipelines_pb2, status_pb2, upload_pb2
from tests.e2e.access.calls import Answer, Names, call, document, request_of
from tests.e2e.access.tokens import ISSUER, Issuer
from tests.e2e.conftest import Suite, running, wait_until

VICTIM, STRANGER = "acme", "globex"


@dataclass(frozen=True)
class AccessSuite:
    """A running suite, and the issuer of its tokens."""

    suite: Suite
    issuer: Issuer
    channel: grpc.Channel  # to the gateway

    def ask(
        self, method: str, request: Any = None, *, token: str = "", names: Names | None = None, **more: Any
    ) -> Answer:
        """Call a method with a token."""
        metadata = [("authorization", f"Bearer {token}")] if token else []
        metadata += more.pop("metadata", [])
        asked = request_of(method, names or Names()) if request is None else request
        return call(self.channel, method, asked, metadata, **more)

    def must(self, method: str, request: Any, token: str) -> Any:
        """The response to a call that succeeds."""
        answer = self.ask(method, request, token=token)
        assert answer.code == "OK", answer
        return answer.responses[0]


@contextmanager
def access_suite(folder: Path, **env: str) -> Iterator[AccessSuite]:
    """A suite of its own in `folder`; `env` is for its services."""
    issuer = Issuer()
    keys = folder / "jwks.json"
    issuer.publish(keys)
    env = {
        "INGESTOR_AUTH": "required",
        "INGESTOR_OIDC_ISSUER": ISSUER,
        "INGESTOR_OIDC_JWKS": str(keys),
        **env,
    }
    with running(folder / "suite", "--auth", **env) as suite, grpc.insecure_channel(suite.gateway) as channel:
        asyncio.run(_make_tenants(suite.dsn))
        yield AccessSuite(suite, issuer, channel)


async def _make_tenants(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for tenant in (VICTIM, STRANGER):
            await create_tenant(connection, tenant)
    finally:
        await connection.close()


def fill(access: AccessSuite, tenant: str, mark: str) -> Names:
    """Give a tenant a process that ended with errors, an open upload, a pipeline, a table, a key, a member.
    All of their names and cells hold `mark`."""
    token = access.issuer.token(f"{mark}-owner", tenant, "admin")
    pipeline, table = f"{mark}_pipeline", f"{mark}_table"
    access.must(
        "PipelineService/ApplyPipeline",
        pipelines_pb2.ApplyPipelineRequest(document_json=document(pipeline, table)),
        token,
    )
    data = f"id\n1\n2\n{mark}_bad\n4\n".encode()
    process = send(access, token, data, pipeline, f"{mark}.csv")

    ended(access, token, process)
    open_upload = access.must(
        "UploadService/CreateUpload", upload_pb2.CreateUploadRequest(file_name=f"{mark}_open.csv"), token
    ).upload.upload_id
    _write(access, token, open_upload, data)
    key = access.must(
        "AccessService/CreateKey",
        access_pb2.CreateKeyRequest(name=f"{mark}_key", roles=[authorization_pb2.ROLE_VIEWER]),
        token,
    )
    access.must(
        "AccessService/SetMember",
        access_pb2.SetMemberRequest(subject=f"{mark}_member", roles=[authorization_pb2.ROLE_VIEWER]),
        token,
    )
    return Names(process, open_upload, pipeline, table, key.key.prefix, f"{mark}_member", tenant)


def ended(access: AccessSuite, token: str, process: str, or_state: int = -1) -> status_pb2.Process:
    """A process once it has ended, or has this state."""

    def look() -> Any:
        request = status_pb2.GetProcessRequest(process_id=process)
        answer = access.ask("StatusService/GetProcess", request, token=token)
        found: Any = answer.responses[0] if answer.code == "OK" else None
        return found.process if found and found.process.state in (*TERMINAL, or_state) else None

    found: status_pb2.Process = wait_until(look, f"the end of process {process}")
    return found


def send(access: AccessSuite, token: str, data: bytes, pipeline: str, file_name: str) -> str:
    """Upload a file and begin its process; the process."""
    created = access.must(
        "UploadService/CreateUpload",
        upload_pb2.CreateUploadRequest(
            file_name=file_name, size_bytes=len(data), request_id=str(uuid.uuid4())
        ),
        token,
    )
    upload = created.upload.upload_id
    _write(access, token, upload, data)
    completed = access.must(
        "UploadService/CompleteUpload",
        upload_pb2.CompleteUploadRequest(
            upload_id=upload, sha256=hashlib.sha256(data).digest(), pipeline=pipeline
        ),
        token,
    )  # fmt: skip
    return str(completed.process_id)


def _write(access: AccessSuite, token: str, upload: str, data: bytes) -> None:
    chunk = upload_pb2.FileChunk(offset=0, data=data, crc32c=google_crc32c.value(data))
    access.must(
        "UploadService/WriteChunk", upload_pb2.WriteChunkRequest(upload_id=upload, chunk=chunk), token
    )


async def everything_of(dsn: str, tenant: str) -> dict[str, str]:
    """All rows of a tenant by table, its sink tables too: the number of rows and a hash of them. Without what
    changes by itself: when a key was used, whether the end of a process was seen, when it
    was looked at."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.columns "
            "WHERE column_name = 'tenant' AND table_schema IN "
            "('access', 'upload', 'orchestrator', 'processor', 'status') AND table_name <> 'removal_inbox'"
        )
        found = {}
        for row in tables:
            found[row["name"]] = await connection.fetchval(
                "SELECT count(*) || ' ' || coalesce(md5(string_agg(row, ',' ORDER BY row)), '') FROM ("
                "SELECT (to_jsonb(t) - 'last_used_at' - 'published_at' - 'position' - 'settled' "
                f"- 'reconcile_at')::text AS row FROM {row['name']} t WHERE tenant = $1) rows",
                tenant,
            )
        for row in await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1",
            f"tenant_{tenant}",
        ):
            found[row["name"]] = await connection.fetchval(
                "SELECT count(*) || ' ' || coalesce(md5(string_agg(row, ',' ORDER BY row)), '') "
                f"FROM (SELECT to_jsonb(t)::text AS row FROM {row['name']} t) rows"
            )
        return found
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessSuite]:
    """A suite with tokens."""
    with access_suite(tmp_path_factory.mktemp("access")) as made:
        yield made


@pytest.fixture(scope="module")
def victim(access: AccessSuite) -> Names:
    """What the tenant acme has."""
    return fill(access, VICTIM, "xenolith")


@pytest.fixture(scope="module")
def stranger(access: AccessSuite) -> Names:
    """What the tenant globex has."""
    return fill(access, STRANGER, "yardarm")
