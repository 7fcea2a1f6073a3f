"""Every public method as every role, as nobody, and with every kind of wrong token: allowed or refused
exactly as the option `access` of the method says."""

from __future__ import annotations

import pytest

from ingestor.access.roles import Role, may, methods
from tests.e2e.access.calls import Names, public_methods, request_of
from tests.e2e.access.conftest import VICTIM, AccessSuite

REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}


def test_every_method_has_a_request() -> None:
    found = public_methods()
    assert len(found) > 40
    for method in found:
        request_of(method, Names())


def test_every_method_says_who_may_call_it() -> None:
    known = methods()
    assert {f"ingestor.v1.{method}" for method in public_methods()} <= set(known)
    for method, access in known.items():
        assert access.roles or access.services or access.anyone_signed_in, method
        assert bool(access.roles or access.anyone_signed_in) == method.startswith("ingestor.v1."), method


@pytest.mark.parametrize("role", [*Role, None])
def test_a_role_may_do_what_the_table_says(access: AccessSuite, role: Role | None) -> None:
    """With names of nothing: whoever may call gets NOT_FOUND, or an answer."""
    token = access.issuer.token("ann", VICTIM, *([role] if role else ["none"]))
    wrong = {}
    for method in public_methods():
        allowed = role is not None and may({role}, methods()[f"ingestor.v1.{method}"], platform=False)
        answer = access.ask(method, token=token)
        if allowed != (answer.code not in REFUSED):
            wrong[method] = answer
        if answer.code == "PERMISSION_DENIED":
            expected = "NOT_A_MEMBER" if role is None else "ROLE_MISSING"
            assert answer.reason == expected, (method, answer)
        assert answer.code not in ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED"), (method, answer)
    assert not wrong


@pytest.mark.parametrize("platform_tenant_admin", [True, False])
def test_only_the_platforms_admins_set_quotas(access: AccessSuite, platform_tenant_admin: bool) -> None:
    tenant = "default" if platform_tenant_admin else VICTIM
    token = access.issuer.token("root", tenant, "admin")
    for method in ("AccessService/ListTenants", "AccessService/SetQuotas"):
        answer = access.ask(method, token=token)
        assert (answer.code in REFUSED) != platform_tenant_admin, (method, answer)


def test_nobody_may_do_anything(access: AccessSuite) -> None:
    for method in public_methods():
        assert access.ask(method).code == "UNAUTHENTICATED", method


def test_wrong_tokens_open_nothing(access: AccessSuite) -> None:
    for why, token in access.issuer.wrong_tokens(VICTIM).items():
        for method in public_methods():
            answer = access.ask(method, token=token)
            assert answer.code == "UNAUTHENTICATED", (why, method, answer)


def test_a_token_is_for_its_tenants_alone(access: AccessSuite) -> None:
    token = access.issuer.token("ann", "globex", "admin")
    for method in public_methods():
        answer = access.ask(method, token=token, metadata=[("ingestor-tenant", VICTIM)])
        assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "NOT_A_MEMBER"), (method, answer)


def test_a_person_in_two_tenants_chooses(access: AccessSuite) -> None:
    token = access.issuer.sign(
        access.issuer.claims("bea", ["acme", "globex"], ["acme/viewer", "globex/admin"])
    )
    answer = access.ask("AccessService/GetAccess", token=token)
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "TENANT_NOT_CHOSEN")
    for tenant, code in (("acme", "PERMISSION_DENIED"), ("globex", "OK")):
        metadata = [("ingestor-tenant", tenant)]
        found = access.ask("AccessService/GetAccess", token=token, metadata=metadata).responses[0]
        assert (found.tenant, list(found.tenants)) == (tenant, ["acme", "globex"])  # type: ignore[attr-defined]
        assert access.ask("AccessService/ListKeys", token=token, metadata=metadata).code == code


def test_a_client_cannot_play_a_service(access: AccessSuite) -> None:
    """The gateway takes the header of service calls away."""
    answer = access.ask("StatusService/GetProcess", metadata=[("ingestor-call", "x")])
    assert (answer.code, answer.reason) != ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert answer.code == "UNAUTHENTICATED"
