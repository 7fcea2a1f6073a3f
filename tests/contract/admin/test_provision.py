"""`ingestor admin provision`: where passwords come from, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import pytest

from ingestor.local.services import SERVICES
from tests.conftest import PASSWORD
from tests.contract.admin.conftest import Place


def test_passwords_that_are_given_are_not_printed(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "upload-password"
    file.write_text(f"{PASSWORD}\n")
    del place.env["INGESTOR_UPLOAD_DATABASE_PASSWORD"]
    place.env["INGESTOR_UPLOAD_DATABASE_PASSWORD_FILE"] = str(file)
    assert place.run("provision").stdout == ""
    assert json.loads(place.run("provision", "--json").stdout) == {"database_urls": {}}
    place.run("queues")
    place.check(status=0)


async def test_a_password_that_is_not_given_is_made_and_printed(place: Place, tmp_path: Path) -> None:
    del place.env["INGESTOR_STATUS_DATABASE_PASSWORD"]
    import asyncio

    try:
        done = await asyncio.to_thread(place.run, "provision", "--json")
        (service, url), *others = json.loads(done.stdout)["database_urls"].items()
        assert (service, others) == ("status", [])
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_user") == "ingestor_status"
        await connection.close()
    finally:
        place.env["INGESTOR_STATUS_DATABASE_PASSWORD"] = PASSWORD
        await asyncio.to_thread(place.run, "provision")


def test_the_administrators_url_may_be_in_a_file(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(place.database_url)
    both = place.env | {"INGESTOR_ADMIN_DATABASE_URL_FILE": str(file)}
    place.env = both
    assert "are set; leave one of them" in place.run("migrate", status=2).stderr
    place.env = {name: value for name, value in both.items() if name != "INGESTOR_ADMIN_DATABASE_URL"}
    place.run("migrate")
    place.env["INGESTOR_ADMIN_DATABASE_URL_FILE"] = str(tmp_path / "nothing")
    assert f"{tmp_path}/nothing cannot be read" in place.run("migrate", status=2).stderr
    del place.env["INGESTOR_ADMIN_DATABASE_URL_FILE"]
    assert "INGESTOR_ADMIN_DATABASE_URL_FILE" in place.run("migrate", status=2).stderr


def test_roles_of_iam_have_no_password(place: Place) -> None:
    assert "not of RDS" in place.run("provision", "--iam", status=1).stderr
    place.execute("CREATE ROLE rds_iam")
    try:
        assert place.run("provision", "--iam").stdout == ""

        async def found(connection: asyncpg.Connection[asyncpg.Record]) -> list[tuple[bool, bool]]:
            rows = await connection.fetch(
                "SELECT rolpassword IS NULL, pg_has_role(oid, 'rds_iam', 'MEMBER') FROM pg_authid "
                "WHERE rolname LIKE 'ingestor%' AND rolcanlogin"
            )
            return [(row[0], row[1]) for row in rows]

        assert place.on_database(found) == [(True, True)] * len(SERVICES)  # type: ignore[arg-type]
    finally:
        place.run("provision")
        place.execute("DROP ROLE rds_iam")


@pytest.mark.parametrize("wrong", ["0", "99999"])
def test_what_queues_refuses(place: Place, wrong: str) -> None:
    assert "--visibility" in place.run("queues", "--visibility", wrong, status=2).stderr
