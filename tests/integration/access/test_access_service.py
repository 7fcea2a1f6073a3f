"""Who a caller is; keys, members, quotas, tenants: a real service and PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from ingestor.v1 import access_pb2, authorization_pb2
from tests.integration.access.conftest import Served
from tests.refusals import refusal

VIEWER, UPLOADER, AUTHOR, OPERATOR, ADMIN = authorization_pb2.Role.values()[1:]
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
NO_ROLE = (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
WHOAMI = access_pb2.GetAccessRequest()


def in_days(days: float) -> datetime:
    """A time from now."""
    return datetime.now(UTC) + timedelta(days=days)


async def make_key(calls: Any, **fields: Any) -> access_pb2.CreateKeyResponse:
    """A new key; by default of an uploader."""
    made: access_pb2.CreateKeyResponse = await calls.CreateKey(
        access_pb2.CreateKeyRequest(**{"name": "nightly", "roles": [UPLOADER], **fields})
    )
    return made


async def test_who_a_person_is(served: Served) -> None:
    until = int(time.time()) + 600
    found = await served.person("ann", "acme", "viewer", "author", exp=until).GetAccess(WHOAMI)
    assert (found.subject, found.display_name, found.tenant) == ("ann", "Ann", "acme")
    assert (list(found.roles), list(found.tenants)) == ([VIEWER, AUTHOR], ["acme"])
    assert found.expire_time.seconds == until and not found.platform_admin and not found.pipelines
    assert "ingestor.v1.StatusService/GetProcess" in found.methods
    assert "ingestor.v1.PipelineService/ApplyPipeline" in found.methods
    assert "ingestor.v1.StatusService/DeleteProcess" not in found.methods
    assert not any("internal" in method for method in found.methods)


async def test_who_an_admin_of_the_platform_is(served: Served) -> None:
    admin = await served.person("root", "default", "admin").GetAccess(WHOAMI)
    assert admin.platform_admin and "ingestor.v1.AccessService/SetQuotas" in admin.methods
    other = await served.person("bob", "acme", "admin").GetAccess(WHOAMI)
    assert not other.platform_admin and "ingestor.v1.AccessService/SetQuotas" not in other.methods


async def test_a_person_of_two_tenants_chooses_one(served: Served) -> None:
    token = served.issuer.sign(served.issuer.claims("ann", ["acme", "globex"], ["viewer", "globex/admin"]))
    assert await refusal(served.bearer(token).GetAccess(WHOAMI)) == (
        grpc.StatusCode.PERMISSION_DENIED, "TENANT_NOT_CHOSEN",
    )  # fmt: skip
    found = await served.bearer(token, ("ingestor-tenant", "globex")).GetAccess(WHOAMI)
    assert (found.tenant, list(found.roles)) == ("globex", [VIEWER, ADMIN])
    assert list(found.tenants) == ["acme", "globex"]
    for wrong in ("initech", "default", "*"):
        calls = served.bearer(token, ("ingestor-tenant", wrong))
        assert await refusal(calls.GetAccess(WHOAMI)) == (
            grpc.StatusCode.PERMISSION_DENIED, "NOT_A_MEMBER",
        )  # fmt: skip


async def test_a_key_works_until_it_is_revoked(served: Served) -> None:
    admin = served.person("ann", "acme", "admin")
    made = await make_key(admin, pipelines=["people"], expire_time=in_days(1))
    assert made.token.startswith(made.key.prefix + "_") and made.key.creator == "ann"
    assert (list(made.key.roles), list(made.key.pipelines)) == ([UPLOADER], ["people"])
    stored = await served.database.fetchval("SELECT t::text FROM access.api_keys t")
    assert made.token not in stored and made.token.rpartition("_")[2] not in stored
    machine = served.bearer(made.token)
    found = await machine.GetAccess(WHOAMI)
    assert (found.subject, found.tenant, found.display_name) == (f"key:{made.key.prefix}", "acme", "nightly")
    assert list(found.pipelines) == ["people"] and found.expire_time == made.key.expire_time
    listed = (await admin.ListKeys(access_pb2.ListKeysRequest())).keys
    assert [key.prefix for key in listed] == [made.key.prefix] and listed[0].HasField("last_use_time")
    revoke = access_pb2.RevokeKeyRequest(prefix=made.key.prefix)
    first = await admin.RevokeKey(revoke)
    assert first.key.HasField("revoke_time")
    assert await admin.RevokeKey(revoke) == first
    async with asyncio.timeout(15):  # services remember a key for ten seconds
        while True:
            try:
                await machine.GetAccess(WHOAMI)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                break
            await asyncio.sleep(0.2)


async def test_keys_are_of_their_tenant(served: Served) -> None:
    ann, eve = served.person("ann", "acme", "admin"), served.person("eve", "globex", "admin")
    made = await make_key(ann)
    assert not (await eve.ListKeys(access_pb2.ListKeysRequest())).keys
    for prefix in (made.key.prefix, "ing_unknown0", ""):
        assert await refusal(eve.RevokeKey(access_pb2.RevokeKeyRequest(prefix=prefix))) == (
            grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND",
        )  # fmt: skip
    calls = served.bearer(made.token, ("ingestor-tenant", "globex"))
    assert await refusal(calls.GetAccess(WHOAMI)) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_A_MEMBER")
    assert (await served.bearer(made.token).GetAccess(WHOAMI)).tenant == "acme"


NO_KEYS: list[dict[str, Any]] = [
    {"name": ""}, {"name": "x" * 101}, {"name": " x"}, {"name": "a\nb"}, {"roles": []}, {"roles": [0]},
    {"roles": [99]}, {"expire_time": datetime(2020, 1, 1, tzinfo=UTC)}, {"pipelines": [""]},
    {"pipelines": [f"p{n}" for n in range(101)]},
]  # fmt: skip


async def test_what_cannot_be_a_key(served: Served) -> None:
    for wrong in NO_KEYS:
        assert await refusal(make_key(served.person("ann", "acme", "admin"), **wrong)) == INVALID, wrong
    assert await served.database.fetchval("SELECT count(*) FROM access.api_keys") == 0


async def test_keys_are_listed_in_pages_and_have_a_bound(served: Served) -> None:
    ann, eve = served.person("ann", "acme", "admin"), served.person("eve", "globex", "admin")
    names = [f"key {number}" for number in range(5)]
    for name in names:
        await make_key(ann, name=name)
    seen, token = [], ""
    while True:
        page = await ann.ListKeys(access_pb2.ListKeysRequest(page_size=2, page_token=token))
        seen += [key.name for key in page.keys]
        if not (token := page.next_page_token):
            break
        foreign = access_pb2.ListKeysRequest(page_size=2, page_token=token)
        assert await refusal(eve.ListKeys(foreign)) == (
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN",
        )  # fmt: skip
    assert seen == names[::-1]
    await served.database.execute(
        "INSERT INTO access.api_keys (prefix, tenant, name, sha256, roles, creator, revoked_at) "
        "SELECT 'ing_' || n, 'acme', '', '', '{}', '', CASE WHEN n > 994 THEN now() END "
        "FROM generate_series(1, 1500) n"
    )
    made = await asyncio.gather(*[make_key(ann) for _ in range(3)], return_exceptions=True)
    refused = [error for error in made if isinstance(error, grpc.aio.AioRpcError)]
    assert [error.code() for error in refused] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    assert await refusal(make_key(ann)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_KEYS")
    await make_key(eve)


async def test_stored_roles_are_added_to_those_of_the_token(served: Served) -> None:
    admin = served.person("ann", "acme", "admin")
    member = await admin.SetMember(access_pb2.SetMemberRequest(subject="bob", roles=[OPERATOR]))
    assert (member.member.subject, list(member.member.roles), member.member.creator) == (
        "bob", [OPERATOR], "ann",
    )  # fmt: skip
    await admin.SetMember(access_pb2.SetMemberRequest(subject="cyd@acme.test", roles=[AUTHOR]))
    found = await served.person("bob", "acme", "viewer").GetAccess(WHOAMI)
    assert list(found.roles) == [VIEWER, OPERATOR]
    for verified, expected in ((True, [VIEWER, AUTHOR]), (False, [VIEWER])):
        cyd = served.person(f"{verified}", "acme", "viewer", email="cyd@acme.test", email_verified=verified)
        assert list((await cyd.GetAccess(WHOAMI)).roles) == expected
    listed = await admin.ListMembers(access_pb2.ListMembersRequest())
    assert [member.subject for member in listed.members] == ["bob", "cyd@acme.test"]
    eve = served.person("eve", "globex", "admin")
    assert not (await eve.ListMembers(access_pb2.ListMembersRequest())).members
    await eve.RemoveMember(access_pb2.RemoveMemberRequest(subject="bob"))
    assert len((await admin.ListMembers(access_pb2.ListMembersRequest())).members) == 2
    for _ in range(2):
        await admin.RemoveMember(access_pb2.RemoveMemberRequest(subject="bob"))
    assert len((await admin.ListMembers(access_pb2.ListMembersRequest())).members) == 1


async def test_the_last_stored_admin_stays(served: Served) -> None:
    calls = served.person("ann", "acme", "admin")

    def set_roles(subject: str, *roles: int) -> Any:
        return calls.SetMember(access_pb2.SetMemberRequest(subject=subject, roles=roles))  # type: ignore[arg-type]

    await set_roles("bob", VIEWER)  # a tenant need not have any
    await set_roles("cyd", ADMIN)
    last = (grpc.StatusCode.FAILED_PRECONDITION, "LAST_ADMIN")
    assert await refusal(set_roles("cyd", VIEWER)) == last
    assert await refusal(calls.RemoveMember(access_pb2.RemoveMemberRequest(subject="cyd"))) == last
    await set_roles("bob", ADMIN)
    await set_roles("cyd", VIEWER)
    assert await refusal(set_roles("bob", VIEWER)) == last


async def test_members_have_a_bound(served: Served) -> None:
    await served.database.execute(
        "INSERT INTO access.members (tenant, subject, roles, creator) "
        "SELECT 'acme', 'm' || n, '{viewer}', '' FROM generate_series(1, 10000) n"
    )
    calls = served.person("ann", "acme", "admin")
    more = access_pb2.SetMemberRequest(subject="new", roles=[VIEWER])
    assert await refusal(calls.SetMember(more)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_MEMBERS",
    )  # fmt: skip
    await calls.SetMember(access_pb2.SetMemberRequest(subject="m1", roles=[AUTHOR]))
    page = await calls.ListMembers(access_pb2.ListMembersRequest(page_size=5000))
    assert len(page.members) == 1000 and page.next_page_token


async def test_quotas_are_set_by_the_platform(served: Served) -> None:
    platform, ann = served.person("root", "default", "admin"), served.person("ann", "acme", "admin")
    request = access_pb2.SetQuotasRequest(
        tenant="acme",
        quotas=[access_pb2.Quota(name="pipelines", limit=3), access_pb2.Quota(name="tables", limit=0)],
    )
    for refused in (ann, served.person("eve", "default", "operator")):
        assert await refusal(refused.SetQuotas(request)) == NO_ROLE
        assert await refusal(refused.ListTenants(access_pb2.ListTenantsRequest())) == NO_ROLE
    made = (await platform.SetQuotas(request)).tenant
    assert made.name == "acme" and list(made.quotas) == list(request.quotas)
    viewer = served.person("bob", "acme", "viewer")
    quotas = {quota.name: quota for quota in (await viewer.GetQuotas(access_pb2.GetQuotasRequest())).quotas}
    assert (quotas["pipelines"].limit, quotas["tables"].limit) == (3, 0)
    assert not quotas["streams"].HasField("limit") and len(quotas) == 9
    assert quotas["open_uploads"].limit == 1000  # by default
    change = [access_pb2.Quota(name="tables"), access_pb2.Quota(name="streams", limit=9)]
    await platform.SetQuotas(access_pb2.SetQuotasRequest(tenant="acme", quotas=change))
    listed = (await platform.ListTenants(access_pb2.ListTenantsRequest())).tenants
    assert {tenant.name: {q.name: q.limit for q in tenant.quotas} for tenant in listed} == {
        "acme": {"pipelines": 3, "streams": 9}, "default": {}, "globex": {},
    }  # fmt: skip
    first = await platform.ListTenants(access_pb2.ListTenantsRequest(page_size=2))
    second = access_pb2.ListTenantsRequest(page_size=2, page_token=first.next_page_token)
    assert [tenant.name for tenant in (await platform.ListTenants(second)).tenants] == ["globex"]
    wrong = access_pb2.SetQuotasRequest(tenant="initech", quotas=change)
    assert await refusal(platform.SetQuotas(wrong)) == (grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
    for quota in (access_pb2.Quota(name="cpus", limit=1), access_pb2.Quota(name="tables", limit=-1)):
        request = access_pb2.SetQuotasRequest(tenant="acme", quotas=[quota])
        assert await refusal(platform.SetQuotas(request)) == INVALID
    request = access_pb2.SetQuotasRequest(tenant="acme", quotas=change[:1] * 2)
    assert await refusal(platform.SetQuotas(request)) == INVALID
