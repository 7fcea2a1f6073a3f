"""What AccessService answers: frozen dataclasses, each with the protobuf message it was made from as `raw`.

Times are aware, in UTC; None where the suite gives none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import datetime
from enum import StrEnum

from ingestor.client.models import time_of
from ingestor.v1 import access_pb2, authorization_pb2


class Role(StrEnum):
    """What a member of a tenant may do."""

    VIEWER = "viewer"
    UPLOADER = "uploader"
    AUTHOR = "author"
    OPERATOR = "operator"
    ADMIN = "admin"


def role_numbers(roles: Iterable[Role | str]) -> list[authorization_pb2.Role.ValueType]:
    """Roles in messages. Raises ValueError naming one that does not exist."""
    return [authorization_pb2.Role.Value(f"ROLE_{Role(role).name}") for role in roles]


def roles_of(numbers: Iterable[int]) -> tuple[Role, ...]:
    """Roles of messages, without those that this version does not know."""
    names = (authorization_pb2.Role.DESCRIPTOR.values_by_number.get(number) for number in numbers)
    texts = (name.name.removeprefix("ROLE_").lower() for name in names if name)
    return tuple(Role(text) for text in texts if text in set(Role))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who one is. `methods` are those that one may call, as `ingestor.v1.StatusService/GetProcess`;
    `pipelines` those that one's key is for (none: all)."""

    subject: str
    name: str
    tenant: str
    roles: tuple[Role, ...]
    tenants: tuple[str, ...]
    methods: frozenset[str]
    platform_admin: bool
    expires: datetime | None
    pipelines: tuple[str, ...]
    raw: access_pb2.GetAccessResponse = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.GetAccessResponse) -> Identity:
        """From the message."""
        return cls(
            raw.subject, raw.display_name, raw.tenant, roles_of(raw.roles), tuple(raw.tenants),
            frozenset(raw.methods), raw.platform_admin, time_of(raw, "expire_time"), tuple(raw.pipelines),
            raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. `prefix` identifies it. `token` is the whole key, only right after it was created."""

    prefix: str
    name: str
    roles: tuple[Role, ...]
    pipelines: tuple[str, ...]
    creator: str
    created: datetime | None
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None
    raw: access_pb2.ApiKey = attribute(repr=False, compare=False)
    token: str = attribute(default="", repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.ApiKey, token: str = "") -> ApiKey:
        """From the message."""
        return cls(
            raw.prefix, raw.name, roles_of(raw.roles), tuple(raw.pipelines), raw.creator,
            time_of(raw, "create_time"), time_of(raw, "expire_time"), time_of(raw, "last_use_time"),
            time_of(raw, "revoke_time"), raw, token,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A person with roles in the tenant."""

    subject: str
    roles: tuple[Role, ...]
    creator: str
    updated: datetime | None
    raw: access_pb2.Member = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.Member) -> Member:
        """From the message."""
        return cls(raw.subject, roles_of(raw.roles), raw.creator, time_of(raw, "update_time"), raw)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit on what a tenant may use (None: none), and how much is used until it starts from 0 again."""

    name: str
    limit: int | None
    used: int
    until: datetime | None
    raw: access_pb2.Quota = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.Quota) -> Quota:
        """From the message."""
        limit = raw.limit if raw.HasField("limit") else None
        return cls(raw.name, limit, raw.used, time_of(raw, "reset_time"), raw)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A call that changed something or handed out rows: who, what, about what, with which outcome."""

    sequence: int
    time: datetime | None
    subject: str
    roles: tuple[Role, ...]
    method: str
    object: str
    outcome: str
    reason: str
    address: str
    trace_id: str
    raw: access_pb2.AuditRecord = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.AuditRecord) -> AuditRecord:
        """From the message."""
        return cls(
            raw.sequence, time_of(raw, "time"), raw.subject, roles_of(raw.roles), raw.method, raw.object,
            raw.outcome, raw.reason, raw.address, raw.trace_id, raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, with its limits."""

    name: str
    created: datetime | None
    limits: dict[str, int]
    raw: access_pb2.Tenant = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: access_pb2.Tenant) -> Tenant:
        """From the message."""
        limits = {quota.name: quota.limit for quota in raw.quotas if quota.HasField("limit")}
        return cls(raw.name, time_of(raw, "create_time"), limits, raw)
