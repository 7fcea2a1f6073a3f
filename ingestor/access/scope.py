"""The tenant for which code runs: what its statements see, in the code's own conditions and by row-level
security."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token

DEFAULT_TENANT = "default"
EVERYTHING = "*"  # service-wide work, of no single tenant
MOST_TENANT_LABELS = 100  # tenants that a metric names
OTHER_TENANTS = "(other)"  # all others, in metrics
TENANT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")

_scope: ContextVar[str] = ContextVar("scope")

# Only for tests: the code believes that every call is of this tenant, and row-level security has to hold
# alone.
_BELIEVED = os.environ.get("INGESTOR_TEST_CODE_TENANT")


class NoScopeError(RuntimeError):
    """Code that needs a tenant runs for none."""


def tenant() -> str:
    """The tenant that statements name in their conditions. Raises NoScopeError outside of `within`."""
    name = _scope.get("")
    if name in ("", EVERYTHING):
        raise NoScopeError("this needs a tenant, and runs for none")
    return _BELIEVED or name


def visible() -> str:
    """For conditions of statements that workers use too, as `$1 IN (tenant, '*')`: the tenant, or EVERYTHING.
    Raises NoScopeError outside of both."""
    name = current()
    return name if name == EVERYTHING else tenant()


def current() -> str:
    """The tenant, or EVERYTHING. Raises NoScopeError outside of both."""
    if name := _scope.get(""):
        return name
    raise NoScopeError("this needs a tenant, or the scope `everything`, and runs for none")


def row_security() -> str:
    """What a transaction must begin with, so that its statements see what the scope allows. Raises
    NoScopeError outside of `within` and `everything`."""
    return f"SET LOCAL ingestor.tenant = '{current()}'"


def enter(name: str) -> Token[str]:
    """Run what follows in this task for a tenant, or for EVERYTHING. Raises ValueError when it cannot be a
    tenant's name."""
    if name != EVERYTHING and not TENANT_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a tenant")
    return _scope.set(name)


@contextmanager
def within(name: str) -> Iterator[None]:
    """Run for a tenant, or for EVERYTHING. Raises ValueError when it cannot be a tenant's name."""
    token = enter(name)
    try:
        yield
    finally:
        _scope.reset(token)


def everything() -> AbstractContextManager[None]:
    """Run work of the service itself, which finds rows of all tenants, such as what is due next."""
    return within(EVERYTHING)
