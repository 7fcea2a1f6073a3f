"""The command line with keys and sign-ins, and the end of a tenant, where every call needs a token."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestor import Client
from ingestor.client import ProcessState, UnauthenticatedError
from tests.e2e.access.conftest import everything_of
from tests.e2e.conftest import INGESTOR, QUICK, Suite, ingestor, running, wait_until
from tests.e2e.page.built_page import write_page
from tests.oidc_client import Browser, needs_provider

TENANT = "parting"
DOCUMENT = {
    "name": "people",
    "schema": {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]},
    "sink": {"table": "people"},
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite in which people sign in; their tokens last five seconds."""
    data = tmp_path_factory.mktemp("guarded")
    needs_provider(data)
    page = write_page(tmp_path_factory.mktemp("built"))
    env = {
        "INGESTOR_PAGE_DIR": str(page),
        "INGESTOR_DEMO_TOKEN_SECONDS": "5",
        "INGESTOR_OIDC_CLOCK_SKEW_SECONDS": "0",
    }
    with running(data, "--auth", **env) as started:
        yield started


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where sign-ins are kept."""
    return str(tmp_path_factory.mktemp("home"))


class Caller:
    """Somebody at the command line."""

    def __init__(self, suite: Suite, home: str, **env: str) -> None:
        self.suite = suite
        self._env = {"XDG_CONFIG_HOME": home, **env}

    def run(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """One command."""
        return ingestor(*arguments, data=self.suite.data, status=status, env=self._env)

    def json(self, *arguments: str, status: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def refusal(self, *arguments: str) -> str:
        """The line that a command ends with that is refused."""
        return self.run(*arguments, status=1).stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def admin(guarded: Suite, home: str) -> Caller:
    """Who has the first key of a new tenant."""
    operator = Caller(guarded, home)
    made = operator.json("admin", "tenants", "create", TENANT, "--key", "--quota", "streams=50")
    return Caller(guarded, home, INGESTOR_TOKEN=made["token"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline, a small file and a large one."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "people.json").write_text(json.dumps(DOCUMENT))
    (folder / "people.csv").write_text("id,name\n1,Anna\nx,Bob\n")
    with (folder / "many.csv").open("w") as file:
        file.write("id,name\n")
        file.writelines(f"{number},name {number}\n" for number in range(300_000))
    return folder


def test_with_a_key_everything_works(admin: Caller, files: Path) -> None:
    me = admin.json("whoami")
    assert (me["tenant"], me["roles"]) == (TENANT, ["ADMIN"])
    admin.run("pipelines", "apply", str(files / "people.json"))
    done = admin.json("ingest", str(files / "people.csv"), "--pipeline", "people", status=3)
    process = done["process_id"]
    assert admin.json("status", process, status=3)["state"] == "COMPLETED_WITH_ERRORS"
    assert "Bob" in admin.run("report", process, "-o", "-").stdout
    dry_run = admin.json("ingest", str(files / "people.csv"), "--pipeline", "people", "--dry-run", status=3)
    assert dry_run["counts"]["failed"] == 1
    assert {quota["name"]: quota.get("limit") for quota in admin.json("quotas")["quotas"]}["streams"] == 50
    admin.run("members", "set", "carla@example.com", "--role", "author")
    assert admin.json("members", "list")["members"][0]["subject"] == "carla@example.com"
    records = [json.loads(line) for line in admin.run("audit", "--all", "--json").stdout.splitlines()]
    methods = {record["method"].rpartition("/")[2] for record in records}
    assert {"ApplyPipeline", "CompleteUpload", "DownloadReport", "SetMember"} <= methods
    (mine,) = (r for r in records if r["method"].endswith("/DownloadReport"))
    assert mine["object"] == process and mine["subject"].startswith("key:ing_")


def test_a_lesser_key_does_what_its_role_allows_until_it_is_revoked(admin: Caller, files: Path) -> None:
    made = admin.json("keys", "create", "nightly", "--role", "uploader", "--days", "1")
    nightly = Caller(admin.suite, "/nonexistent", INGESTOR_TOKEN=made["token"])
    done = nightly.json("ingest", str(files / "people.csv"), "--pipeline", "people", status=3)
    line = nightly.refusal("delete", done["process_id"])
    assert "needs the role operator or admin" in line and "(ROLE_MISSING)" in line
    assert "needs the role admin" in nightly.refusal("keys", "list")
    admin.run("keys", "revoke", made["prefix"])
    refused = wait_until(
        lambda: "KEY_INVALID" in nightly.run("processes", status=None).stderr, "the end of the key", 30
    )
    assert refused


def test_without_a_token_one_is_told_what_to_do(guarded: Suite) -> None:
    nobody = Caller(guarded, "/nonexistent")
    assert "Sign in by `ingestor login`, or set INGESTOR_TOKEN" in nobody.refusal("processes")
    wrong = Caller(guarded, "/nonexistent", INGESTOR_TOKEN="abc")
    assert "(TOKEN_INVALID)" in wrong.refusal("processes")


def agree(issuer: str, said: str, user: str) -> None:
    """What a person does in a browser."""
    found = re.search(r"Open (\S+) and enter the code (\S+)", said)
    assert found, said
    browser = Browser(issuer)
    page = browser.press(browser.ask(found[1]), user_code=found[2])
    assert "Go back to the command line" in browser.choose(browser.press(page), user).text


def sign_in(guarded: Suite, home: str, user: str) -> str:
    """`ingestor login` with a person at the browser; what it prints."""
    environment = {**os.environ, **QUICK, "INGESTOR_DATA": str(guarded.data), "XDG_CONFIG_HOME": home}
    with subprocess.Popen(
        [INGESTOR, "login"], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr and process.stdout
        agree(guarded.facts["sign_in"]["issuer"], process.stderr.readline(), user)
        output = process.stdout.read()
        assert process.wait(30) == 0, process.stderr.read()
    return output


def test_a_person_signs_in_and_its_tokens_are_renewed(guarded: Suite, home: str, files: Path) -> None:
    said = sign_in(guarded, home, "admin@globex")
    assert "(admin@globex), tenant globex, roles: admin" in said
    person = Caller(guarded, home)
    person.run("pipelines", "apply", str(files / "people.json"))
    stored = Path(home) / "ingestor" / "logins.json"
    before = stored.read_text()
    end = time.monotonic() + 6  # the token's life is over by then
    wait_until(lambda: time.monotonic() > end, "the end of the token")
    assert person.json("whoami")["subject"] == "admin@globex"
    assert stored.read_text() != before
    assert person.run("logout").stdout == "signed out, the tokens are forgotten\n"
    assert "TOKEN_MISSING" in person.refusal("processes")


def test_streams_outlive_their_tokens(guarded: Suite, home: str, files: Path) -> None:
    """A watch, and an upload that takes longer than three tokens, go on with renewed ones."""
    user, issuer = "uploader@globex", guarded.facts["sign_in"]["issuer"]
    given: list[str] = []

    def token() -> str:
        made = Browser(issuer).sign_in(user, f"http://{guarded.gateway}/signed-in")["access_token"]
        given.append(made)
        return str(made)

    class Slow(io.BytesIO):
        """A file on a slow disk."""

        def read(self, size: int | None = -1) -> bytes:
            time.sleep(2)
            return super().read(size)

    with Client(guarded.gateway, token=token) as client:
        process = client.ingest(Slow((files / "many.csv").read_bytes()), file_name="many.csv")
        process.wait(timeout=120)
    assert process.state is ProcessState.COMPLETED and process.counts.read == 300_000
    assert len(given) >= 3
    with Client(guarded.gateway, token=given[0]) as client, pytest.raises(UnauthenticatedError) as caught:
        client.process(process.id)
    assert caught.value.reason == "TOKEN_EXPIRED"


async def test_a_tenant_is_removed_while_it_works(
    admin: Caller, guarded: Suite, files: Path, tmp_path: Path
) -> None:
    """Batches are in the queue and in work: nothing of them, or of anything else, is there in the end."""
    admin.run("pipelines", "apply", str(files / "people.json"))
    many = tmp_path / "many.csv"
    content = (files / "many.csv").read_text()
    many.write_text(content + content.partition("\n")[2] * 3)
    process = admin.json("ingest", str(many), "--pipeline", "people", "--no-wait")["process_id"]
    wait_until(lambda: admin.json("status", process)["counts"]["succeeded"] > 0, "the first batch")
    found = admin.json("admin", "tenants", "remove", TENANT, "--yes", "--wait", "0")
    assert found["processes"] == 1 and found["tables"] == [f"tenant_{TENANT}.people"] and found["files"] >= 2
    assert found["rows"]["access.api_keys"] >= 1 and found["rows"]["access.members"] == 1
    refused = wait_until(
        lambda: "KEY_INVALID" in admin.run("whoami", status=None).stderr, "the end of its keys", 30
    )
    assert refused
    others = Caller(guarded, "/nonexistent")
    made = others.json("admin", "tenants", "create", "staying", "--key")
    others = Caller(guarded, "/nonexistent", INGESTOR_TOKEN=made["token"])
    with Client(guarded.gateway, token=made["token"]) as client:

        def is_idle() -> bool:
            queues = client.queues()
            return queues.waiting == queues.in_flight == 0

        wait_until(is_idle, "the end of what was in the queue")
    # What a service was writing when the files went.
    again = admin.json("admin", "tenants", "remove", TENANT, "--yes", "--wait", "0")
    assert not again["rows"] and not again["tables"]
    left = await everything_of(guarded.dsn, TENANT)
    assert {table for table, facts in left.items() if not facts.startswith("0 ")} == {"access.audit_log"}
    assert not (guarded.data / "files" / TENANT).exists()
    assert await guarded.fetch("SELECT 1 FROM pg_roles WHERE rolname = $1", f"ingestor_tenant_{TENANT}") == []
    # The others go on.
    others.run("pipelines", "apply", str(files / "people.json"))
    assert others.json("ingest", str(files / "people.csv"), "--pipeline", "people", status=3)["process_id"]
