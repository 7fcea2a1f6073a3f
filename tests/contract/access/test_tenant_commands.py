"""`ingestor admin tenants` on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from ingestor.access import api_keys
from ingestor.cli.main import main

TENANT = "shortlived"


class Tenants:
    """Runs `ingestor admin tenants` on a database and a folder of files."""

    def __init__(self, database_url: str, files: Path) -> None:
        self.files = files
        self._url = database_url

    def run(self, *arguments: str, status: int = 0, env: dict[str, str] | None = None) -> Result:
        """One command."""
        environment = {
            "INGESTOR_ADMIN_DATABASE_URL": self._url,
            "INGESTOR_FILE_STORE_DIR": str(self.files),
            **(env or {}),
        }
        done = CliRunner().invoke(main, ["admin", "tenants", *arguments], env=environment)
        assert done.exit_code == status, (done.output, done.exception)
        return done

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database."""

        async def work() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self._url)
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(work())


@pytest.fixture
def tenants(database_url: str, tmp_path: Path) -> Iterator[Tenants]:
    made = Tenants(database_url, tmp_path / "files")
    made.files.mkdir()
    yield made
    made.run("create", "other")  # whatever the test has removed, its role goes
    for name in (TENANT, "other"):
        CliRunner().invoke(
            main, ["admin", "tenants", "remove", name, "--yes", "--no-files"],
            env={"INGESTOR_ADMIN_DATABASE_URL": database_url},
        )  # fmt: skip


def test_a_tenant_is_made_with_its_first_admin_limits_and_key(tenants: Tenants) -> None:
    done = tenants.run(
        "create", TENANT, "--admin", "anna@example.com", "--admin", "bob", "--quota", "pipelines=5", "--key"
    )
    assert f"the tenant {TENANT} is made" in done.stderr
    token = done.stdout.strip()
    assert api_keys.is_key(token)
    (key,) = tenants.fetch("SELECT prefix, tenant, sha256, roles FROM access.api_keys")
    assert key == (api_keys.prefix_of(token), TENANT, api_keys.hash_of(token), ["admin"])
    assert tenants.fetch("SELECT subject, roles FROM access.members ORDER BY 1") == [
        ("anna@example.com", ["admin"]), ("bob", ["admin"]),
    ]  # fmt: skip
    assert tenants.fetch(f"SELECT to_regnamespace('tenant_{TENANT}') IS NOT NULL") == [(True,)]
    # Again: what is there stays.
    assert tenants.json("create", TENANT, "--admin", "bob") == {"name": TENANT, "created": False}
    assert len(tenants.fetch("SELECT FROM access.members")) == 2
    methods = tenants.fetch(
        "SELECT DISTINCT method, subject FROM access.audit_log WHERE tenant = 'shortlived'"
    )
    assert ("admin tenants create", "database:postgres") in methods


@pytest.mark.parametrize("name", ["Acme", "1a", "a'b", "a" * 32])
def test_a_wrong_name_is_told(tenants: Tenants, name: str) -> None:
    assert "cannot be a tenant's name" in tenants.run("create", name, status=1).stderr


def test_a_wrong_quota_makes_nothing(tenants: Tenants) -> None:
    done = tenants.run("create", TENANT, "--quota", "cups=5", status=1)
    assert "there is no quota 'cups'; there are bytes_stored, " in done.stderr
    assert "is not QUOTA=LIMIT" in tenants.run("create", TENANT, "--quota", "tables=x", status=2).stderr
    assert tenants.fetch(f"SELECT FROM access.tenants WHERE name = '{TENANT}'") == []


def test_limits_are_set_shown_and_taken_away(tenants: Tenants) -> None:
    tenants.run("create", TENANT)
    assert tenants.run("quotas", TENANT).stdout == "no limits\n"
    tenants.run("quotas", TENANT, "tables=3", "streams=0")
    assert tenants.run("quotas", TENANT, "tables=none").stdout == "streams=0\n"
    assert tenants.json("quotas", TENANT, "pipelines=7")["limits"] == {"pipelines": 7, "streams": 0}
    assert "there is no tenant nobody" in tenants.run("quotas", "nobody", "tables=3", status=1).stderr
    assert "there is no tenant" in tenants.run("quotas", "a'b", "tables=3", status=1).stderr


def test_a_tenant_is_removed(tenants: Tenants) -> None:
    tenants.run("create", TENANT, "--admin", "anna", "--key")
    (tenants.files / TENANT).mkdir()
    (tenants.files / TENANT / "a").write_bytes(b"abc")
    planned = tenants.run("remove", TENANT, "--dry-run").stdout
    assert planned.startswith(f"Would remove {TENANT}:") and "1 files" in planned
    assert "say --yes" in tenants.run("remove", TENANT, status=2).stderr
    assert (tenants.files / TENANT / "a").exists()
    done = tenants.run("remove", TENANT, "--yes", "--wait", "0")
    assert f"Removed {TENANT}:" in done.stdout and "The name is not used again." in done.stdout
    assert "access.api_keys 1, access.members 1" in done.stdout
    assert not (tenants.files / TENANT).exists()
    again = tenants.json("remove", TENANT, "--yes", "--wait", "0")
    assert (again["rows"], again["files"], again["role"]) == ({}, 0, False)
    listed = {each["name"]: each["removed"] for each in tenants.json("list")["tenants"]}
    assert listed["default"] is None and re.match(r"20\d\d-", listed[TENANT])
    assert TENANT in tenants.run("list").stdout
    assert "was removed" in tenants.run("create", TENANT, status=1).stderr
    assert "or it was removed" in tenants.run("quotas", TENANT, "tables=3", status=1).stderr


def test_files_that_are_elsewhere_are_not_forgotten(tenants: Tenants, tmp_path: Path) -> None:
    tenants.run("create", TENANT)
    env = {"INGESTOR_FILE_STORE_DIR": str(tmp_path / "nothing")}
    done = tenants.run("remove", TENANT, "--yes", status=1, env=env)
    assert "the files are not here" in done.stderr
    assert tenants.fetch(f"SELECT removed_at FROM access.tenants WHERE name = '{TENANT}'") == [(None,)]


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["admin", "tenants", "list", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "name the database by --database-url or INGESTOR_ADMIN_DATABASE_URL" in done.stderr
