"""What a suite writes and says has none of the secrets that it was given, and is nobody else's to read."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from ingestor.access import api_keys
from ingestor.v1 import access_pb2, authorization_pb2, status_pb2
from tests.e2e.access.conftest import VICTIM, AccessSuite, access_suite, fill, send
from tests.e2e.conftest import wait_until

# Where secrets are kept on purpose, for their owner alone.
KEPT = {"secrets.json", "suite.json", "postgres.password"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessSuite]:
    """A suite that says as much as it can."""
    with access_suite(tmp_path_factory.mktemp("secrets"), INGESTOR_LOG_LEVEL="DEBUG") as made:
        yield made


def _secrets_of(access: AccessSuite) -> dict[str, str]:
    data = access.suite.data
    found: dict[str, str] = json.loads((data / "secrets.json").read_text())
    return {**found, "superuser": (data / "postgres.password").read_text().strip()}


def _work(access: AccessSuite) -> tuple[dict[str, str], list[str]]:
    """Show the suite tokens and keys, good and bad, in calls that succeed and that fail; what was shown, and
    what it answered."""
    admin = access.issuer.token("ann", VICTIM, "admin")
    fill(access, VICTIM, "quokka")
    made = access.must(
        "AccessService/CreateKey",
        access_pb2.CreateKeyRequest(name="machine", roles=[authorization_pb2.ROLE_ADMIN]),
        admin,
    )
    wrong_secret = f"{made.key.prefix}_{api_keys.new_key()[1].rpartition('_')[2]}"
    shown = {
        "token": admin,
        "key": made.token,
        "wrong secret": wrong_secret,
        "unknown key": api_keys.new_key()[1],
        **{f"token {name}": token for name, token in access.issuer.wrong_tokens(VICTIM).items()},
    }
    answers = []
    for token in shown.values():
        for method in ("StatusService/ListProcesses", "AccessService/ListKeys", "UploadService/GetStorage"):
            answers.append(repr(access.ask(method, token=token)))
        answers.append(
            repr(access.ask("StatusService/GetProcess", token=token, metadata=[("x-other", token)]))
        )
    # A bad file; services that end in the middle of work; a caller that goes.
    process = send(access, made.token, b"id\n" + b"quokka " * 15_000 + b"\n", "quokka_pipeline", "bad.csv")
    before = {service: access.suite.pid(service) for service in ("status", "processor", "upload")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(access.suite.pid(name) != pid for name, pid in before.items()), "other services")
    request = status_pb2.GetProcessRequest(process_id=process)
    wait_until(
        lambda: access.ask("StatusService/GetProcess", request, token=made.token).code == "OK", "an answer"
    )
    return shown, answers


def _places(text: bytes, secrets: dict[str, str]) -> list[str]:
    """The names of the secrets in it; of a token that has its signature, of a key its secret."""
    found = []
    for name, secret in secrets.items():
        part = secret.rpartition("_" if secret.startswith("ing_") else ".")[2] or secret
        if len(part) >= 16 and (part if secret.startswith(("ing_", "ey")) else secret).encode() in text:
            found.append(name)
    return found


def test_no_secret_is_written_or_said(own: AccessSuite) -> None:
    shown, answers = _work(own)
    secrets = {**_secrets_of(own), **shown}
    assert len(secrets) > 12
    data = own.suite.data
    told = {
        "ingestor up": own.suite.said,
        "ingestor env": own.suite.run("env").stdout,
        "ingestor env --json": own.suite.run("env", "--json").stdout,
        "the answers": "\n".join(answers),
    }
    suite = psutil.Process(json.loads((data / "suite.json").read_text())["pid"])
    for process in (suite, *suite.children(recursive=True)):
        told[f"the arguments of {process.name()}"] = " ".join(process.cmdline())
    found = {place: _places(text.encode(), secrets) for place, text in told.items()}
    # Whoever asks is told the password of the role that can look, and no other one.
    assert found.pop("ingestor env") == found.pop("ingestor env --json") == ["look"]
    looked = 0
    for path in data.rglob("*"):
        if path.is_file() and path.name not in KEPT:
            looked += 1
            found[str(path.relative_to(data))] = _places(path.read_bytes(), secrets)
    assert looked > 100
    assert not {place: names for place, names in found.items() if names}
    # The search would find them.
    assert _places((data / "suite.json").read_bytes(), secrets)
    logs = [*data.glob("*.log"), *(data / "logs").glob("*.log")]
    assert len(logs) >= 8
    for log in logs:
        longest = max(map(len, log.read_bytes().splitlines()), default=0)
        assert longest <= 8192, f"{log.name}: a line of {longest:,} bytes"


def test_the_data_folder_is_its_owners(own: AccessSuite) -> None:
    data = own.suite.data

    def others(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode) & 0o077

    # PostgreSQL, which does not run as root, passes through by its group.
    assert others(data) == (0o010 if os.geteuid() == 0 else 0)
    paths = [path for path in data.rglob("*") if not path.is_symlink() and "postgres" not in path.parts[-2:]]
    assert len(paths) > 15
    within = [path for path in paths if (data / "postgres") not in path.parents]  # whose door is closed
    assert not {str(path): oct(others(path)) for path in within if others(path)}
    assert others(data / "postgres") == 0


def test_whoever_looks_changes_nothing(own: AccessSuite) -> None:
    async def look() -> None:
        connection = await asyncpg.connect(own.suite.facts["look_url"])
        try:
            table = f"tenant_{VICTIM}.quokka_table"
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") > 0
            assert await connection.fetchval("SELECT count(*) FROM status.processes") == 0, "without a tenant"
            await connection.execute("SET default_transaction_read_only = off")
            for statement in (
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                "CREATE TABLE public.mine (a int)",
                "CREATE SCHEMA mine",
                "UPDATE access.tenants SET name = 'x'",
                "SET ROLE ingestor_owner",
                "CREATE ROLE mine",
                "COPY (SELECT 1) TO PROGRAM 'true'",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(look())
