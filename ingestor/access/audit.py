"""The audit log: every call that changes something or hands out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ingestor.access.principal import Principal
from ingestor.access.scope import within
from ingestor.runtime.postgres import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool

_INSERT = """
INSERT INTO access.audit_log (tenant, subject, roles, method, object, outcome, reason, address, trace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# Fields of requests and responses that name what a call is about, the first that is set.
_OBJECTS = (
    "process_id", "upload_id", "name", "prefix", "subject", "tenant", "file_name", "process", "upload",
    "pipeline", "key",
)  # fmt: skip


@dataclass(frozen=True)
class AuditRecord:
    """One call; its fields are described in protos/ingestor/v1/access.proto."""

    principal: Principal
    method: str
    object: str
    outcome: str
    reason: str
    address: str
    trace_id: str


class AuditLog(Protocol):
    """Keeps the records."""

    async def write(self, record: AuditRecord) -> None:
        """Keep a record for good. Raises TransientError."""
        ...


class PgAuditLog(AuditLog):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def write(self, record: AuditRecord) -> None:
        principal = record.principal
        with within(principal.tenant):
            async with transient_errors("audit log"):
                await self._pool.execute(
                    _INSERT, principal.tenant, principal.subject, sorted(principal.roles), record.method,
                    record.object, record.outcome, record.reason, record.address, record.trace_id,
                )  # fmt: skip


def object_of(*messages: Any) -> str:
    """What a call is about, from its request and response: an identifier or a name; empty without one."""
    for message in messages:
        if message is None:
            continue
        for name in _OBJECTS:
            if name not in message.DESCRIPTOR.fields_by_name:
                continue
            value = getattr(message, name)
            if isinstance(value, str) and value:
                return value[:200]
            if not isinstance(value, str) and message.HasField(name) and (found := object_of(value)):
                return found
    return ""
