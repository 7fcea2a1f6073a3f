"""login, logout, whoami, keys, members, quotas, audit: against a small gateway and issuer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingestor.cli.main import main
from ingestor.client.access.logins import Logins
from ingestor.runtime.errors import PermissionDeniedError
from tests.fakes.gateway import Suite, on_a_thread
from tests.fakes.issuer import Issuer, serving


@pytest.fixture
def suite() -> Iterator[Suite]:
    with on_a_thread() as made:
        yield made


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("INGESTOR_TOKEN", raising=False)
    monkeypatch.delenv("INGESTOR_TENANT", raising=False)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two questions
    with serving(Issuer()) as made:
        yield made


def run(suite: Suite, *arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["--address", suite.address, *arguments])
    assert done.exit_code == status, (done.output, done.exception)
    return done


def test_login_and_logout(suite: Suite, issuer: Issuer) -> None:
    issuer.pending = 2
    done = run(suite, "login", "--issuer", issuer.url)
    assert f"Open {issuer.url}/go and enter the code ABCD-EFGH" in done.stderr
    assert f"(or open {issuer.url}/go?c=ABCD-EFGH)" in done.stderr
    assert done.stdout == "signed in as Anna (anna), tenant acme, roles: admin\n"
    assert "token-1" not in done.output and "refresh-1" not in done.output
    run(suite, "whoami")
    assert suite.door.seen[-1] == ("GetAccess", "token-1", "")
    done = run(suite, "logout")
    assert done.stdout == "signed out, the tokens are forgotten\n"
    assert issuer.revoked == ["refresh-1"] and Logins().get(suite.address) is None
    assert "nobody is signed in" in run(suite, "logout").stderr
    run(suite, "whoami")
    assert suite.door.seen[-1][1] == ""


def test_login_is_for_the_address(suite: Suite, issuer: Issuer) -> None:
    """What the gateway says is used, and options come before it."""
    issuer.config = {"auth": "oidc", "issuer": issuer.url, "commandLineClientId": "cli", "scope": "s"}
    CliRunner().invoke(main, ["--address", issuer.address, "login", "--scope", "mine"])
    assert issuer.asked[0] == {"client_id": "cli", "scope": "mine"}
    stored = Logins().get(issuer.address)
    assert stored and stored.access_token == "token-1"
    assert Logins().get(suite.address) is None


def test_where_nobody_signs_in_login_says_so(issuer: Issuer) -> None:
    issuer.config = {"auth": "local"}
    done = CliRunner().invoke(main, ["--address", issuer.address, "login", "--json"])
    assert done.exit_code == 0 and "nobody needs to sign in" in done.stderr
    assert json.loads(done.stdout) == {"address": issuer.address, "signed_in": False}


def test_who_has_to_choose_a_tenant_is_signed_in_all_the_same(suite: Suite, issuer: Issuer) -> None:
    suite.door.tokens = set()
    suite.door.error = PermissionDeniedError(
        "TENANT_NOT_CHOSEN", "Choose.", metadata={"tenants": "acme,globex"}
    )
    done = run(suite, "login", "--issuer", issuer.url)
    assert "signed in. You have roles in several tenants: acme, globex" in done.stderr
    assert Logins().get(suite.address)


def test_a_refused_sign_in_is_one_line(suite: Suite, issuer: Issuer) -> None:
    issuer.answers = [(400, {"error": "access_denied"})]
    done = run(suite, "login", "--issuer", issuer.url, status=1)
    assert done.stderr.splitlines()[-1] == "error: the sign-in was refused (SIGN_IN_REFUSED)"
    done = run(suite, "login", "--issuer", "http://127.0.0.1:1", status=1)
    assert "127.0.0.1:1 does not answer" in done.stderr


def test_whoami(suite: Suite) -> None:
    lines = run(suite, "whoami").stdout.splitlines()
    assert lines == [
        "Anna (anna), tenant acme, roles: admin",
        "tenants: acme, globex (choose by --tenant or INGESTOR_TENANT)",
        "until: 2030-01-02 03:04:05 UTC",
    ]
    assert json.loads(run(suite, "whoami", "--json").stdout)["roles"] == ["ADMIN"]


def test_options_and_environment_say_who_calls(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(suite, "--token", "of-option", "--tenant", "globex", "whoami")
    assert suite.door.seen[-1] == ("GetAccess", "of-option", "globex")
    assert "set INGESTOR_TOKEN instead" in done.stderr and "of-option" not in done.output
    monkeypatch.setenv("INGESTOR_TOKEN", "of-env")
    monkeypatch.setenv("INGESTOR_TENANT", "acme")
    assert run(suite, "whoami").stderr == ""
    assert suite.door.seen[-1] == ("GetAccess", "of-env", "acme")
    monkeypatch.setenv("INGESTOR_TOKEN", "two words")
    assert "the token is empty, or holds a character" in run(suite, "whoami", status=2).stderr


def test_a_refusal_says_what_to_do(suite: Suite) -> None:
    suite.door.tokens = set()
    line = run(suite, "whoami", status=1).stderr.splitlines()[-1]
    assert line.startswith("error: The token has expired") and "`ingestor login`" in line


def test_keys(suite: Suite) -> None:
    done = run(
        suite, "keys", "create", "nightly", "--role", "uploader", "--pipeline", "customers", "--days", "9"
    )
    assert done.stdout == "ing_00000000_secret\n"
    assert "ing_00000000 (uploader), until: " in done.stderr
    left = suite.access.keys["ing_00000000"].expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert 8 <= left.days <= 9
    made = json.loads(
        run(suite, "keys", "create", "b", "--role", "viewer", "--role", "author", "--json").stdout
    )
    assert (made["token"], made["roles"]) == ("ing_00000001_secret", ["VIEWER", "AUTHOR"])
    listed = run(suite, "keys", "list").stdout
    assert "nightly" in listed and "customers" in listed and "secret" not in listed
    assert len(json.loads(run(suite, "keys", "list", "--json").stdout)["keys"]) == 2
    # A key pasted whole: its secret is not sent.
    assert "is revoked" in run(suite, "keys", "revoke", "ing_00000000_secret_more").stdout
    assert "revoked 2026-01-03" in run(suite, "keys", "list").stdout
    assert "There is no key ing_x. (KEY_NOT_FOUND)" in run(suite, "keys", "revoke", "ing_x", status=1).stderr
    run(suite, "keys", "create", "c", "--role", "king", status=2)
    run(suite, "keys", "create", "c", status=2)


def test_members(suite: Suite) -> None:
    assert run(suite, "members", "set", "bob", "--role", "operator").stdout == "bob: operator\n"
    assert "operator" in run(suite, "members", "list").stdout
    assert json.loads(run(suite, "members", "list", "--json").stdout)["members"][0]["roles"] == ["OPERATOR"]
    assert "no member any more" in run(suite, "members", "remove", "bob").stdout
    assert json.loads(run(suite, "members", "list", "--json").stdout) == {"members": []}


def test_quotas(suite: Suite) -> None:
    shown = run(suite, "quotas").stdout
    assert "1,000,000" in shown and "2026-01-03 00:00:00" in shown and "none" in shown
    found = json.loads(run(suite, "quotas", "--json").stdout)["quotas"]
    assert found[0]["limit"] == 1_000_000 and "limit" not in found[1]


def test_audit(suite: Suite) -> None:
    done = run(
        suite, "audit", "--subject", "bob", "--since", "2026-01-01", "--until", "2026-01-02T00:00+01:00"
    )
    assert "StatusService/DeleteProcess" in done.stdout and "10.0.0.7" in done.stdout
    asked = suite.access.audited[0]
    assert (asked.subject, asked.page_size) == ("bob", 50)
    assert asked.start_time.ToDatetime(UTC) == datetime(2026, 1, 1, tzinfo=UTC)
    assert asked.end_time.ToDatetime(UTC) == datetime(2026, 1, 1, 23, tzinfo=UTC)
    (line,) = run(suite, "audit", "--all", "--json").stdout.splitlines()
    record = json.loads(line)
    assert (record["sequence"], record["roles"], record["time"]) == (7, ["OPERATOR"], "2026-01-02T03:04:05Z")
    assert suite.access.audited[1].page_size == 1000
    assert "is not a time such as" in run(suite, "audit", "--since", "yesterday", status=2).stderr
