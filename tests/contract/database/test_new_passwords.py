"""A password that changes, and a role that logs in by tokens, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import asyncpg
import pytest
from pydantic import SecretStr

from ingestor.runtime.postgres.errors import transient_errors
from ingestor.runtime.postgres.login import Database
from ingestor.runtime.postgres.pool import PgPool, open_pool
from ingestor.runtime.secrets import FileSecret
from ingestor.runtime.settings import DatabaseSettings


class Role:
    """A role of the test's own whose password is in a file."""

    def __init__(self, admin: asyncpg.Connection[asyncpg.Record], database_url: str, file: Path) -> None:
        self.admin = admin
        self.name = f"rotating_{uuid.uuid4().hex}"
        self.file = file
        host = urlsplit(database_url).netloc.rpartition("@")[2]
        self.url = urlunsplit(urlsplit(database_url)._replace(netloc=f"{self.name}@{host}"))

    async def has(self, password: str) -> None:
        """Change its password in the database."""
        await self.admin.execute(f"ALTER ROLE {self.name} PASSWORD '{password}'")

    def settings(self) -> DatabaseSettings:
        return DatabaseSettings(
            database_url=SecretStr(self.url), database_password=FileSecret(self.file), aws_region="eu-north-1"
        )


@pytest.fixture
async def role(database_url: str, tmp_path: Path) -> AsyncIterator[Role]:
    admin = await asyncpg.connect(database_url)
    made = Role(admin, database_url, tmp_path / "password")
    await admin.execute(f"CREATE ROLE {made.name} LOGIN PASSWORD 'first'")
    made.file.write_text("first")
    if await _needs_no_password(made):
        pytest.skip("this server lets a role in without its password")
    yield made
    await admin.execute(f"DROP ROLE {made.name}")
    await admin.close()


async def _needs_no_password(role: Role) -> bool:
    try:
        await (await asyncpg.connect(role.url, password="wrong")).close()
    except asyncpg.InvalidPasswordError:
        return False
    return True


class Load:
    """Calls that go on; each ends the connection it has used, so that the next needs a new one."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool
        self.done = 0
        self.failed: list[str] = []
        self._enough = asyncio.Condition()

    async def run(self) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await connection.execute("SELECT 1")
                    await self._pool.connections.pool.expire_connections()
            except Exception as error:
                self.failed.append(repr(error))
            self.done += 1
            async with self._enough:
                self._enough.notify_all()

    async def more(self, count: int) -> None:
        """Wait until so many further calls have ended."""
        until = self.done + count
        async with self._enough:
            await self._enough.wait_for(lambda: self.done >= until)


@pytest.mark.parametrize("first", ["file", "database"])
async def test_no_call_fails_while_a_password_changes(role: Role, first: str) -> None:
    async with open_pool(Database.of(role.settings()), service="upload", schema="upload", size=4) as pool:
        load = Load(pool)
        calls = [asyncio.create_task(load.run()) for _ in range(4)]
        try:
            async with asyncio.timeout(30):
                for password in ("second", "third"):
                    await load.more(20)
                    if first == "file":
                        role.file.write_text(password)
                        await asyncio.sleep(0.3)  # the time in which the two differ
                        await role.has(password)
                    else:
                        await role.has(password)
                        await asyncio.sleep(0.3)
                        role.file.write_text(password)
                    await load.more(20)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    assert load.failed == []


async def test_a_wrong_password_is_told_at_once_at_the_start(role: Role) -> None:
    role.file.write_text("wrong")
    async with asyncio.timeout(5):
        with pytest.raises(asyncpg.InvalidPasswordError):
            async with open_pool(Database.of(role.settings()), service="x", schema="upload", size=2):
                pass


async def test_later_it_is_an_error_that_may_pass(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestor.runtime.errors import TransientError
    from ingestor.runtime.postgres import pool as module

    monkeypatch.setattr(module, "_PASSWORD_PATIENCE", 0.6)
    async with open_pool(Database.of(role.settings()), service="x", schema="upload", size=2) as pool:
        await role.has("other")
        await pool.connections.pool.expire_connections()
        with pytest.raises(TransientError):
            async with transient_errors("database"):
                await pool.check()


async def test_a_token_of_iam_is_the_password(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    """What RDS does with the token, PostgreSQL does not; so the role's password is the token that it gets."""
    from ingestor.runtime.postgres import login

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sent: list[str] = []
    real = login._iam_token

    async def noted(settings: DatabaseSettings, url: str) -> str:
        token = await real(settings, url)
        sent.append(token)
        await role.has(token)
        return token

    monkeypatch.setattr(login, "_iam_token", noted)
    # The server has no TLS, so its setting is left out of the DSN after it was checked.
    checked = DatabaseSettings(
        database_url=SecretStr(f"{role.url}?sslmode=require"),
        database_auth="rds-iam",
        aws_region="eu-north-1",
    )
    settings = checked.model_copy(update={"database_url": SecretStr(role.url)})
    async with open_pool(Database.of(settings), service="x", schema="upload", size=2) as pool:
        await pool.check()
        await pool.connections.pool.expire_connections()
        await pool.check()
    assert len(sent) == 2
    host, _, query = sent[0].partition("/")
    at = urlsplit(role.url)
    assert host == f"{at.hostname}:{at.port}"
    fields = {name: values[0] for name, values in parse_qs(query.lstrip("?")).items()}
    assert fields["Action"] == "connect" and fields["DBUser"] == role.name
    assert fields["X-Amz-Expires"] == "900"
    assert quote(fields["X-Amz-Credential"]).endswith("/eu-north-1/rds-db/aws4_request")
