"""Who may write and change the audit log in PostgreSQL, and when its records end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ingestor.access.scope import everything, within
from ingestor.services.status.adapters.access.pg_audit import PgAuditRecords
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.retention import Retention
from tests.conftest import OpenDatabase

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool


@pytest.mark.parametrize("service", ["upload", "orchestrator", "processor", "status"])
async def test_services_add_to_the_log_and_change_nothing(
    pool_of: OpenPool,
    open_database: OpenDatabase,
    service: str,
) -> None:
    pool = await pool_of(service)
    insert = (
        "INSERT INTO access.audit_log (tenant, subject, roles, method, object, outcome, reason, address, "
        "trace_id) VALUES ($1, 'ann', '{admin}', 'm', 'o', 'OK', '', '', '')"
    )
    with within("acme"):
        await pool.execute(insert, "acme")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await pool.execute(insert, "globex")
    for statement in (
        "UPDATE access.audit_log SET subject = 'eve'",
        "DELETE FROM access.audit_log",
        "TRUNCATE access.audit_log",
        "ALTER TABLE access.audit_log DISABLE ROW LEVEL SECURITY",
        "DROP TABLE access.audit_log",
        *(
            ["SELECT * FROM access.audit_log", "SELECT access.expire_audit(now(), 1)"]
            if service != "status"
            else []
        ),
    ):
        with everything(), pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    admin = await asyncpg.connect(await open_database())
    try:
        assert await admin.fetchval("SELECT count(*) FROM access.audit_log WHERE subject = 'ann'") == 1
    finally:
        await admin.close()


class SetClock:
    """A clock that says what it is told."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        """The time it was told."""
        return self.time


async def test_records_end_after_their_time(pool_of: OpenPool, open_database: OpenDatabase) -> None:
    pool = await pool_of("status")
    admin = await asyncpg.connect(await open_database())
    try:
        await admin.execute(
            "TRUNCATE access.audit_log; "
            "INSERT INTO access.audit_log (time, tenant, subject, roles, method, object, outcome, reason, "
            "address, trace_id) SELECT now() - d * interval '1 day', CASE WHEN d % 2 = 0 THEN 'acme' ELSE "
            "'globex' END, '', '{}', '', d::text, '', '', '', '' FROM generate_series(1, 100) d"
        )
        count = "SELECT count(*) FROM access.audit_log"
        log = PgAuditRecords(pool)
        clock = SetClock(datetime.now(UTC))

        def worker(days: int) -> Retention:
            return Retention(PgRemovals(pool), log, clock, None, timedelta(days=days))

        with everything():
            assert await log.expire(datetime.now(UTC) - timedelta(days=90, hours=1), 4) == 4  # in pieces
            assert await admin.fetchval(count) == 96
            fifty = worker(50)
            await fifty.look()
            assert await admin.fetchval(count) == 49
            # None of the last thirty days goes, whatever is asked for.
            await worker(0).look()
            assert await admin.fetchval(count) == 29
            # The worker looks once an hour.
            await admin.execute("UPDATE access.audit_log SET time = time - interval '60 days'")
            await fifty.look()
            assert await admin.fetchval(count) == 29
            clock.time += timedelta(hours=1, seconds=1)
            await fifty.look()
            assert await admin.fetchval(count) == 0
    finally:
        await admin.close()
