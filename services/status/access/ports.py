"""Ports of the use cases of access. Each raises TransientError when the database does not respond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestor.access.roles import Role


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    prefix: str
    name: str
    roles: frozenset[Role]
    pipelines: tuple[str, ...]  # that it is for; empty: all
    creator: str
    created: datetime
    expires: datetime | None
    used: datetime | None  # last, to the minute
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored."""

    prefix: str
    sha256: bytes  # of the whole key
    name: str
    roles: frozenset[Role]
    pipelines: tuple[str, ...]
    creator: str
    expires: datetime | None


class Keys(Protocol):
    """The API keys of the tenant in scope."""

    async def list(self, before: tuple[datetime, str] | None, limit: int) -> Sequence[ApiKey]:
        """Keys created before a key (its time and prefix), newest first."""
        ...

    async def create(self, key: NewKey, most: int) -> ApiKey | None:
        """Store a key; None, and nothing is stored, when `most` keys are not revoked."""
        ...

    async def revoke(self, prefix: str) -> ApiKey | None:
        """Revoke a key, unless it is revoked already; None when there is no such key."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A person with stored roles."""

    subject: str
    roles: frozenset[Role]
    creator: str
    updated: datetime


class LastAdminError(Exception):
    """The last stored admin of a tenant would be none any more."""


class TooManyMembersError(Exception):
    """The tenant has as many members as it may have."""


class Members(Protocol):
    """The members of the tenant in scope."""

    async def list(self, after: str, limit: int) -> Sequence[Member]:
        """Members by subject, after one of them."""
        ...

    async def set(self, subject: str, roles: frozenset[Role], creator: str, most: int) -> Member:
        """Give a person these roles instead of its own. Raises LastAdminError, TooManyMembersError when it
        would be one more than `most`."""
        ...

    async def remove(self, subject: str) -> None:
        """Take a person's roles away. Idempotent. Raises LastAdminError."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record of the audit log."""

    sequence: int
    time: datetime
    subject: str
    roles: frozenset[Role]
    method: str
    object: str
    outcome: str
    reason: str
    address: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records of the audit log; empty texts and None for all."""

    subject: str = ""
    method: str = ""
    object: str = ""
    start: datetime | None = None  # inclusive
    end: datetime | None = None  # exclusive


class AuditRecords(Protocol):
    """The audit log of the tenant in scope."""

    async def list(self, of: AuditFilter, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Records with numbers below `before`, newest first."""
        ...


class AuditRetention(Protocol):
    """The end of audit records, of all tenants."""

    async def expire(self, before: datetime, limit: int) -> int:
        """Remove at most `limit` records from before a time, but none of the last 30 days; return how
        many."""
        ...


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant and its limits by the names of the quotas; what is missing has no limit."""

    name: str
    created: datetime
    limits: Mapping[str, int]


class Tenants(Protocol):
    """All tenants, for admins of the platform."""

    async def list(self, after: str, limit: int) -> Sequence[TenantInfo]:
        """Tenants by name, after one of them; none that was removed."""
        ...

    async def set_limits(self, tenant: str, limits: Mapping[str, int | None]) -> TenantInfo | None:
        """Set limits, None for no limit; those that are not named stay. None when there is no such
        tenant."""
        ...
