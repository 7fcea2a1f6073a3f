"""The tenant for which code runs."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from ingestor.access import scope
from ingestor.access.scope import (
    NoScopeError,
    current,
    enter,
    everything,
    row_security,
    tenant,
    visible,
    within,
)


def test_scopes_nest_and_end() -> None:
    with within("acme"):
        assert (tenant(), visible(), current()) == ("acme",) * 3
        with everything():
            assert (visible(), current()) == ("*", "*")
            with pytest.raises(NoScopeError):
                tenant()
            with within("globex"):
                assert tenant() == "globex"
        assert tenant() == "acme"
        with pytest.raises(KeyError), within("globex"):
            raise KeyError
        assert tenant() == "acme"


def test_without_a_scope_nothing_runs() -> None:
    def ask() -> None:
        for question in (tenant, visible, current, row_security):
            with pytest.raises(NoScopeError):
                question()

    contextvars.Context().run(ask)  # the tests' own scope is not in it


@pytest.mark.parametrize(
    "name", ["", "Acme", "1a", "a" * 32, "a'; DROP TABLE x; --", "a b", "a.b", "ä", "a\n"]
)
def test_what_is_no_tenant(name: str) -> None:
    with within("acme"):
        with pytest.raises(ValueError, match="not the name of a tenant"), within(name):
            pass
        with pytest.raises(ValueError, match="not the name of a tenant"):
            enter(name)
        assert tenant() == "acme"


async def test_tasks_keep_their_own() -> None:
    async def look(name: str) -> str:
        with within(name):
            await asyncio.sleep(0)
            return row_security()

    found = await asyncio.gather(look("acme"), look("globex"))
    assert list(found) == [
        "SET LOCAL ingestor.tenant = 'acme'", "SET LOCAL ingestor.tenant = 'globex'",
    ]  # fmt: skip


def test_what_the_code_believes_is_not_what_the_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "_BELIEVED", "acme")
    with within("globex"):
        assert (tenant(), visible(), current()) == ("acme", "acme", "globex")
        assert row_security() == "SET LOCAL ingestor.tenant = 'globex'"
    with everything():
        assert visible() == "*"
