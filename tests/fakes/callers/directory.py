"""What the guard needs, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingestor.access.audit import AuditLog, AuditRecord
from ingestor.access.directory import Directory, StoredKey
from ingestor.access.roles import Role
from ingestor.runtime.errors import TransientError


class MemoryDirectory(Directory):
    """Keys, members and tenants that a test puts in."""

    def __init__(self, *tenants: str) -> None:
        self.tenants = set(tenants)
        self.keys: dict[str, StoredKey] = {}
        self.revoked: set[str] = set()
        self.members: dict[tuple[str, str], frozenset[Role]] = {}  # by tenant and subject
        self.used: list[str] = []
        self.asked = 0
        self.away = False

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise TransientError("the directory is away")

    async def key(self, prefix: str) -> StoredKey | None:
        self._ask()
        found = self.keys.get(prefix)
        gone = prefix in self.revoked or found is None or found.tenant not in self.tenants
        return None if gone else found

    async def note_use(self, prefix: str) -> None:
        self._ask()
        self.used.append(prefix)

    async def memberships(self, subjects: Sequence[str]) -> Mapping[str, frozenset[Role]]:
        self._ask()
        found: dict[str, frozenset[Role]] = {}
        for (tenant, subject), roles in self.members.items():
            if subject in subjects:
                found[tenant] = found.get(tenant, frozenset()) | roles
        return found

    async def tenant_exists(self, tenant: str) -> bool:
        self._ask()
        return tenant in self.tenants


class MemoryAuditLog(AuditLog):
    """A list."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.away = False

    async def write(self, record: AuditRecord) -> None:
        if self.away:
            raise TransientError("the log is away")
        self.records.append(record)
