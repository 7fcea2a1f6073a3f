"""The use cases of access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingestor.access import api_keys
from ingestor.access.limits.pipelines import may_make
from ingestor.access.limits.quotas import QUOTAS, QuotaUse, QuotaUses
from ingestor.access.principal import Principal
from ingestor.access.roles import Role, may, public_methods
from ingestor.access.scope import tenant
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, ResourceExhaustedError
from ingestor.runtime.grpc.requests import make_token, read_token, wrong, wrong_token
from ingestor.services.status.access.ports import (
    ApiKey,
    AuditEntry,
    AuditFilter,
    AuditRecords,
    Keys,
    LastAdminError,
    Member,
    Members,
    NewKey,
    TenantInfo,
    Tenants,
    TooManyMembersError,
)

MOST_KEYS = 1_000  # of a tenant that are not revoked
MOST_MEMBERS = 10_000  # of a tenant
_MOST_PIPELINES = 100  # of a key
_MOST_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do."""

    methods: Sequence[str]  # that it may call
    platform_admin: bool


class AccessService:
    """Says what a caller may do; manages keys, members and quotas; reads the audit log."""

    def __init__(
        self,
        keys: Keys,
        members: Members,
        audit: AuditRecords,
        quotas: QuotaUses,
        tenants: Tenants,
        clock: Clock,
        *,
        platform_tenant: str,
    ) -> None:
        self._keys = keys
        self._members = members
        self._audit = audit
        self._quotas = quotas
        self._tenants = tenants
        self._clock = clock
        self._platform_tenant = platform_tenant

    def access(self, principal: Principal) -> Access:
        """What a principal may do."""
        platform = principal.tenant == self._platform_tenant
        methods = [
            name
            for name, access in public_methods().items()
            if may(principal.roles, access, platform=platform) and may_make(principal, name)
        ]
        return Access(sorted(methods), platform and Role.ADMIN in principal.roles)

    # -- keys --------------------------------------------------------------------------------------

    async def keys(self, token: str, size: int) -> tuple[Sequence[ApiKey], str]:
        """A page of keys, newest first, and the next page's token."""
        scope = f"{tenant()} keys"
        position = read_token(scope, token, str)
        before = None
        if position is not None:
            time, _, prefix = position.partition(" ")
            try:
                before = datetime.fromisoformat(time).astimezone(UTC), prefix
            except (ValueError, OverflowError):
                raise wrong_token() from None
        found = await self._keys.list(before, size + 1)
        more = ""
        if len(found) > size:
            last = found[size - 1]
            more = make_token(scope, f"{last.created.isoformat()} {last.prefix}")
        return found[:size], more

    async def create_key(
        self,
        principal: Principal,
        name: str,
        roles: frozenset[Role],
        pipelines: Sequence[str],
        expires: datetime | None,
    ) -> tuple[ApiKey, str]:
        """A new key and its only copy. Raises InvalidArgumentError, ResourceExhaustedError
        (TOO_MANY_KEYS)."""
        name = _text("name", name, 100)
        if missing := roles - _grantable(principal):
            raise wrong("roles", f"has a role that you do not have: {', '.join(sorted(missing))}")
        if len(pipelines) > _MOST_PIPELINES:
            raise wrong("pipelines", f"must have at most {_MOST_PIPELINES} names")
        names = tuple(sorted({_text("pipelines", one, 200) for one in pipelines}))
        if expires is not None and expires <= self._clock.now():
            raise wrong("expire_time", "must be in the future")
        prefix, token = api_keys.new_key()
        key = NewKey(prefix, api_keys.hash_of(token), name, roles, names, principal.subject, expires)
        made = await self._keys.create(key, MOST_KEYS)
        if made is None:
            raise ResourceExhaustedError(
                "TOO_MANY_KEYS", f"The tenant has {MOST_KEYS:,} keys that are not revoked; revoke one."
            )
        return made, token

    async def revoke_key(self, prefix: str) -> ApiKey:
        """Revoke a key. Raises NotFoundError (KEY_NOT_FOUND)."""
        found = await self._keys.revoke(prefix)
        if found is None:
            raise NotFoundError("KEY_NOT_FOUND", f"There is no key {prefix[:40]}.")
        return found

    # -- members -----------------------------------------------------------------------------------

    async def members(self, token: str, size: int) -> tuple[Sequence[Member], str]:
        """A page of members by subject, and the next page's token."""
        scope = f"{tenant()} members"
        found = await self._members.list(read_token(scope, token, str) or "", size + 1)
        more = make_token(scope, found[size - 1].subject) if len(found) > size else ""
        return found[:size], more

    async def set_member(self, principal: Principal, subject: str, roles: frozenset[Role]) -> Member:
        """Give a person roles. Raises InvalidArgumentError, FailedPreconditionError (LAST_ADMIN),
        ResourceExhaustedError (TOO_MANY_MEMBERS)."""
        subject = _text("subject", subject, 200)
        if missing := roles - _grantable(principal):
            raise wrong("roles", f"has a role that you do not have: {', '.join(sorted(missing))}")
        try:
            return await self._members.set(subject, roles, principal.subject, MOST_MEMBERS)
        except LastAdminError as error:
            raise _last_admin() from error
        except TooManyMembersError as error:
            raise ResourceExhaustedError(
                "TOO_MANY_MEMBERS", f"The tenant has {MOST_MEMBERS:,} members; remove one."
            ) from error

    async def remove_member(self, subject: str) -> None:
        """Take a person's roles away. Raises FailedPreconditionError (LAST_ADMIN)."""
        try:
            await self._members.remove(_text("subject", subject, 200))
        except LastAdminError as error:
            raise _last_admin() from error

    # -- the audit log, quotas, tenants ------------------------------------------------------------

    async def audit(self, of: AuditFilter, token: str, size: int) -> tuple[Sequence[AuditEntry], str]:
        """A page of the audit log, newest first, and the next page's token."""
        scope = f"{tenant()} audit {of}"
        found = await self._audit.list(of, read_token(scope, token, int), size + 1)
        more = make_token(scope, found[size - 1].sequence) if len(found) > size else ""
        return found[:size], more

    async def quotas(self) -> Sequence[QuotaUse]:
        """The tenant's quotas."""
        return await self._quotas.all()

    async def tenants(self, token: str, size: int) -> tuple[Sequence[TenantInfo], str]:
        """A page of all tenants by name, and the next page's token."""
        found = await self._tenants.list(read_token("tenants", token, str) or "", size + 1)
        more = make_token("tenants", found[size - 1].name) if len(found) > size else ""
        return found[:size], more

    async def set_quotas(self, name: str, limits: Mapping[str, int | None]) -> TenantInfo:
        """Set a tenant's quotas; those that are not named stay. Raises InvalidArgumentError, NotFoundError
        (TENANT_NOT_FOUND)."""
        for quota, limit in limits.items():
            if quota not in QUOTAS:
                raise wrong("quotas.name", f"must be one of {', '.join(QUOTAS)}, not {quota[:40]!r}")
            if limit is not None and not 0 <= limit <= _MOST_LIMIT:
                raise wrong("quotas.limit", "must not be negative")
        found = await self._tenants.set_limits(name, limits)
        if found is None:
            raise NotFoundError("TENANT_NOT_FOUND", f"There is no tenant {name[:40]}.")
        return found


def _grantable(principal: Principal) -> frozenset[Role]:
    """Roles that a principal may give: its own; those of an admin are all."""
    return frozenset(Role) if Role.ADMIN in principal.roles else principal.roles


def _text(field: str, value: str, most: int) -> str:
    if not 1 <= len(value) <= most or value != value.strip() or not value.isprintable():
        raise wrong(field, f"must be 1 to {most} printable characters, without blanks around them")
    return value


def _last_admin() -> FailedPreconditionError:
    return FailedPreconditionError(
        "LAST_ADMIN", "This is the last stored admin of the tenant; make another member an admin first."
    )
