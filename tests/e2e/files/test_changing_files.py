"""A file that changes while `ingestor ingest` sends it: told in one line, and nothing of it is loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.e2e.conftest import INGESTOR, QUICK, Suite
from tests.e2e.tables import write_pipeline, write_readings

PATIENCE = 120.0
_HOLD = """
CREATE FUNCTION upload.hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(78); RETURN NEW; END $$;
CREATE TRIGGER holds BEFORE UPDATE ON upload.uploads FOR EACH ROW EXECUTE FUNCTION upload.hold();
SELECT pg_advisory_lock(78)
"""
_LET_GO = "SELECT pg_advisory_unlock_all(); DROP FUNCTION upload.hold() CASCADE"
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 78 AND NOT granted"


@asynccontextmanager
async def held(owner: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """Whatever uploads send is not acknowledged while the context lasts."""
    await owner.execute(_HOLD)
    try:
        yield
    finally:
        await owner.execute(_LET_GO)


def change(path: Path, how: str) -> None:
    """Change a file as another program would, which goes on to write it."""
    with path.open("r+b") as file:
        if how == "grows":
            file.seek(0, os.SEEK_END)
            file.write(b"7,seven,7\n")
        elif how == "shrinks":
            file.truncate(1000)
        else:
            file.seek(path.stat().st_size // 2)
            file.write(b"x")


@pytest.mark.parametrize("how", ["grows", "shrinks", "is overwritten"])
async def test_a_file_that_changes_while_it_is_sent(suite: Suite, tmp_path: Path, how: str) -> None:
    """The longest part of it is unread when it changes."""
    table = f"changing_{how.split()[-1]}"
    source = write_readings(tmp_path / f"{table}.csv", 1_000_000)
    assert source.stat().st_size > 40 * 2**20
    words = ["ingest", str(source), "--pipeline", str(write_pipeline(tmp_path, table)), "--json"]
    owner = await asyncpg.connect(suite.dsn)
    try:
        async with held(owner):
            sending = await asyncio.create_subprocess_exec(
                INGESTOR, *words, env={**os.environ, **QUICK, "INGESTOR_DATA": str(suite.data)},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(PATIENCE):
                while not await owner.fetchval(_WAITING):
                    assert sending.returncode is None
                    await asyncio.sleep(0.05)  # between two looks
            change(source, how)
        async with asyncio.timeout(PATIENCE):
            output, errors = await sending.communicate()
        assert sending.returncode == 1
        assert output == b""
        (line,) = [line for line in errors.decode().splitlines() if line.startswith("error:")]
        assert f"{source.name} changed while it was sent, so nothing of it was loaded" in line
        assert b"Traceback" not in errors
        names = [found["info"]["file_name"] for found in suite.json("processes")["processes"]]
        assert source.name not in names
        left = "SELECT count(*) FROM upload.uploads WHERE file_name = $1 AND state IN ('open', 'completed')"
        assert await owner.fetchval(left, source.name) == 0
        assert await owner.fetchval("SELECT to_regclass($1)", table) is None
    finally:
        await owner.close()
