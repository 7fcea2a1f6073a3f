"""The audit log in PostgreSQL, as admins read it and as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.access.limits.reads import Reads
from ingestor.access.roles import known_roles
from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.access.ports import AuditEntry, AuditFilter, AuditRecords, AuditRetention

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


class PgAuditRecords(AuditRecords, AuditRetention):
    def __init__(self, pool: PgPool, reads: Reads | None = None) -> None:
        """Callers read on `reads`."""
        self._pool = pool
        self._reads = reads

    async def list(self, of: AuditFilter, before: int | None, limit: int) -> Sequence[AuditEntry]:
        where = ["tenant = $2"]
        arguments: list[object] = [limit, tenant()]
        for condition, value in (
            ("sequence <", before),
            ("subject =", of.subject or None),
            ("method =", of.method or None),
            ("object =", of.object or None),
            ("time >=", of.start),
            ("time <", of.end),
        ):
            if value is not None:
                arguments.append(value)
                where.append(f"{condition} ${len(arguments)}")
        reading = self._reads.place() if self._reads else nullcontext(self._pool)
        async with transient_errors("audit log"), reading as pool:
            rows = await pool.fetch(
                f"SELECT * FROM access.audit_log WHERE {' AND '.join(where)} "  # noqa: S608
                "ORDER BY sequence DESC LIMIT $1",
                *arguments,
            )
        return [
            AuditEntry(
                row["sequence"], row["time"], row["subject"], known_roles(row["roles"]), row["method"],
                row["object"], row["outcome"], row["reason"], row["address"], row["trace_id"],
            )
            for row in rows
        ]  # fmt: skip

    async def expire(self, before: datetime, limit: int) -> int:
        async with transient_errors("audit log"):
            return int(await self._pool.fetchval("SELECT access.expire_audit($1, $2)", before, limit))
