"""Who calls."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from ingestor.access.roles import Role
from ingestor.access.scope import DEFAULT_TENANT


@dataclass(frozen=True)
class Principal:
    """A person, a machine with an API key, the local admin, or a service that works for one of them."""

    kind: Literal["person", "key", "local", "service"]
    subject: str  # of the token; `key:` and the key's prefix; `local`; of a service whom it works for
    tenant: str  # in which it acts; of a service also EVERYTHING
    roles: frozenset[Role] = frozenset()
    display_name: str = ""
    tenants: tuple[str, ...] = ()  # in which it may act
    pipelines: frozenset[str] = frozenset()  # that its key is for; empty: all
    expires_at: float | None = None  # Unix time
    service: str = ""  # of kind `service`: its name


LOCAL_ADMIN = Principal(
    "local", "local", DEFAULT_TENANT, frozenset({Role.ADMIN}), "local admin", (DEFAULT_TENANT,)
)

_current: ContextVar[Principal | None] = ContextVar("principal", default=None)


def current_principal() -> Principal | None:
    """Who the current call is from; None in work of the service itself."""
    return _current.get()


def set_principal(principal: Principal) -> None:
    """Say who the current call is from."""
    _current.set(principal)
