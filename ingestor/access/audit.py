"""The audit log: every call that changes something or hands out rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ingestor.access.limits.pipelines import name_in
from ingestor.access.principal import Principal
from ingestor.access.scope import within
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_INSERT = """
INSERT INTO access.audit_log (tenant, subject, roles, method, object, outcome, reason, address, trace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# Fields of requests and responses that say what a call is about, the first that is set: identifiers, else
# names. Messages among them are searched.
_IDENTIFIERS = ("process_id", "upload_id", "prefix", "subject", "tenant", "process", "upload", "key")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters and halves of characters
_NAMES = ("name", "file_name", "pipeline", "tenant")


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


def object_of(request: Any, response: Any) -> str:
    """What a call is about: an identifier, else a name; empty when neither message has one, or is None. What
    cannot be stored in it is replaced: no caller keeps a record out of the log by a character."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _found(request, response))


def _found(request: Any, response: Any) -> str:
    for fields in (_IDENTIFIERS, _NAMES):
        for message in (request, response):
            if message is not None and (found := _first(message, fields)):
                return found
    return name_in(request.document_json)[:200] if hasattr(request, "document_json") else ""


def _first(message: Any, fields: tuple[str, ...]) -> str:
    for field in fields:
        if field not in message.DESCRIPTOR.fields_by_name:
            continue
        value = getattr(message, field)
        if isinstance(value, str):
            if value:
                return value[:200]
        elif message.HasField(field) and (found := _first(value, fields)):
            return found
    return ""
