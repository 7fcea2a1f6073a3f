"""`ingestor admin check` finds what is wrong, and says what to do."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestor.provisioning.checks.report import Report, look_at_clock
from tests.contract.admin.conftest import Place

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


@pytest.fixture
def ready(place: Place) -> Place:
    place.run("queues")
    return place


def test_all_is_well(ready: Place) -> None:
    lines = ready.run("check").stdout.splitlines()
    assert len(lines) > 20 and all(re.fullmatch(r"ok {7}\w.*", line) for line in lines)
    text = "\n".join(lines)
    for wanted in (r"database +PostgreSQL \d+", r"schema status +all \d+ migrations", "login of upload +its"):
        assert re.search(wanted, text)
    assert "secret" not in text


DATABASE = [
    # what breaks it, which line tells it, what that says, what to do
    ("ALTER ROLE {role} PASSWORD 'other'", "login of upload", "password authentication failed", "provision"),
    (
        "REVOKE INSERT ON upload.uploads FROM {role}",
        "role of upload",
        "it lacks INSERT on upload.uploads",
        "migrate",
    ),
    (
        "REVOKE USAGE ON SCHEMA upload FROM {role}",
        "role of upload",
        "may not use the schema upload",
        "migrate",
    ),
    (
        "GRANT CREATE ON SCHEMA upload TO {role}",
        "role of upload",
        "create tables in the schema upload",
        "take",
    ),
    (
        "CREATE TABLE public.mine (); ALTER TABLE public.mine OWNER TO {role}",
        "role of upload",
        "owns mine",
        "take",
    ),
    ("ALTER ROLE {role} CREATEROLE", "role of upload", "it may create roles", "take that away"),
    (
        "DELETE FROM upload.schema_migrations WHERE name LIKE '0001%'",
        "schema upload",
        "it lacks 0001",
        "migrate",
    ),
    (
        "INSERT INTO status.schema_migrations VALUES ('9999_x.sql', '')",
        "schema status",
        "newer than this",
        "the release",
    ),
    (
        "UPDATE status.schema_migrations SET sha256 = '' WHERE name LIKE '0002%'",
        "schema status",
        "0002.* has changed",
        "as it came",
    ),
    ("DROP SCHEMA access CASCADE", "schema access", "it is missing", "migrate"),
    (
        "REVOKE ingestor_processor FROM ingestor_processor_service",
        "role of processor",
        "it cannot become ingestor_processor",
        "migrate",
    ),
    (
        "SET ingestor.tenant = '*'; INSERT INTO access.tenants (name) VALUES ('lost')",
        "tenants",
        "lost: no role",
        "tenants create",
    ),
    (
        "CREATE SCHEMA postgres AUTHORIZATION ingestor_processor",
        "tenants",
        "the schema postgres of ingestor_processor has the name of a role",
        "RENAME",
    ),
]


@pytest.fixture
def mended(ready: Place) -> Iterator[Place]:
    """Roles are the server's, so other tests need them as they were."""
    yield ready
    ready.execute(
        "ALTER ROLE ingestor_upload PASSWORD 'secret' NOCREATEROLE;"
        "GRANT ingestor_processor TO ingestor_processor_service"
    )


@pytest.mark.parametrize(("breaking", "line", "problem", "todo"), DATABASE)
def test_a_database_that_is_not_as_it_should_be(
    mended: Place, breaking: str, line: str, problem: str, todo: str
) -> None:
    mended.execute(breaking.format(role="ingestor_upload"))
    found = mended.check(status=1)
    bad = {name: each for name, each in found.items() if each["problem"]}
    assert re.search(problem, bad.pop(line)["problem"])
    assert todo in found[line]["todo"]
    assert set(bad) <= {
        "role of upload",
        "role of processor",
        "role of status",
        "role of orchestrator",
        "tenants",
    }


def test_migrate_mends_rights(mended: Place) -> None:
    mended.execute("REVOKE INSERT ON upload.uploads FROM ingestor_upload")
    mended.check(status=1)
    mended.run("migrate")
    mended.check(status=0)


def test_a_database_that_was_never_provisioned(ready: Place) -> None:
    name = f"empty_{uuid.uuid4().hex}"
    ready.execute(f'CREATE DATABASE "{name}"')
    try:
        ready.env["INGESTOR_ADMIN_DATABASE_URL"] = ready.database_url.rpartition("/")[0] + f"/{name}"
        found = ready.check(status=1)
        assert {found[f"schema {schema}"]["problem"] for schema in ("access", "upload", "status")} == {
            "it is missing"
        }
        ready.run("migrate", "--one-role")
        ready.run("check", "--one-role")
    finally:
        ready.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://postgres:x@127.0.0.1:1/nothing", "127.0.0.1:1/nothing cannot be reached"),
        ("{server}/no_such_database", "cannot be reached: database .* does not exist"),
    ],
)
def test_no_database(ready: Place, url: str, problem: str) -> None:
    ready.env["INGESTOR_ADMIN_DATABASE_URL"] = url.format(server=ready.database_url.rpartition("/")[0])
    found = ready.check(status=1)
    assert re.search(problem, found["database"]["problem"])
    assert found["queue of rows"]["detail"], "the rest is looked at all the same"


def test_queues_that_are_missing(place: Place) -> None:
    found = place.check(status=1)
    for name, queue in (("rows", place.rows), ("dead letters", place.dead), ("events", place.events)):
        line = found[f"queue of {name}"]
        assert line["problem"] == f"there is no queue {queue}" and "ingestor admin queues" in line["todo"]


@pytest.mark.parametrize(
    ("attributes", "line", "problem"),
    [
        ({"RedrivePolicy": ""}, "rows", "it has no dead-letter queue"),
        ({"RedrivePolicy": "other"}, "rows", "its dead letters go to events-.*, not to dead-"),
        ({"MaximumMessageSize": "262144"}, "rows", "messages of 262144 bytes, not of 1048576"),
        ({"VisibilityTimeout": "0"}, "rows", "its visibility timeout is 0 s"),
        ({"MessageRetentionPeriod": "345600"}, "dead letters", ""),
    ],
)
def test_a_queue_that_is_not_as_it_should_be(
    ready: Place, attributes: dict[str, str], line: str, problem: str
) -> None:
    if attributes.get("RedrivePolicy") == "other":
        arn = f"arn:aws:sqs:us-east-1:000000000000:{ready.events}"
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"})}
    ready.change_queue(ready.rows if line == "rows" else ready.dead, attributes)
    found = ready.check(status=1)
    if problem:
        assert re.search(problem, found[f"queue of {line}"]["problem"])
    else:
        assert "live longer than those of the dead-letter queue" in found["queue of rows"]["problem"]
    ready.run("queues")
    ready.check(status=0)


def test_dead_letters_that_wait(ready: Place) -> None:
    async def send(client: SQSClient) -> None:
        url = (await client.get_queue_url(QueueName=ready.dead))["QueueUrl"]
        await client.send_message(QueueUrl=url, MessageBody="x")

    ready.on_queues(send)
    line = ready.check(status=1)["queue of dead letters"]
    assert line["problem"].endswith(": 1 wait") and "ingestor admin redrive" in line["todo"]


def test_sqs_that_does_not_answer(ready: Place) -> None:
    ready.env["INGESTOR_AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    line = ready.check(status=1)["queues"]
    assert "SQS at http://127.0.0.1:1" in line["problem"] and "INGESTOR_AWS_" in line["todo"]


def test_no_region(ready: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nothing")
    ready.env["INGESTOR_AWS_ENDPOINT_URL"] = ""
    assert "no AWS region is known" in ready.check(status=1)["queues"]["problem"]


def test_a_bucket(ready: Place) -> None:
    bucket = f"b-{uuid.uuid4().hex}"
    ready.env |= {"INGESTOR_FILE_STORE": "s3", "INGESTOR_S3_BUCKET": bucket}
    line = ready.check(status=1)["file store"]
    assert line["problem"] == f"there is no bucket {bucket}" and "INGESTOR_S3_BUCKET" in line["todo"]
    done = ready.run("queues", "--json")
    assert json.loads(done.stdout)["bucket"] == bucket
    assert bucket in ready.check(status=0)["file store"]["detail"]


def test_no_folder(ready: Place, tmp_path: Path) -> None:
    ready.env["INGESTOR_FILE_STORE_DIR"] = str(tmp_path / "nothing")
    assert "there is no folder" in ready.check(status=1)["file store"]["problem"]


@pytest.mark.parametrize(("seconds", "good"), [(-6.0, False), (-4.0, True), (0.2, True), (3600.0, False)])
def test_clocks(seconds: float, good: bool) -> None:
    report = Report()
    look_at_clock(report, "clock of SQS", seconds)
    assert report.is_good == good
    assert good or f"{seconds:+.0f} s" in report.lines[0].problem


def test_the_clocks_of_both_are_looked_at(ready: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    assert re.search(r"by \+(59|60|61) s", ready.check(status=1)["clock of SQS"]["problem"])
