"""The table of methods and roles in the protos."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestor.access.limits import pipelines
from ingestor.access.roles import (
    INTERNAL_FILES,
    PUBLIC_FILES,
    MethodAccess,
    Role,
    known_roles,
    may,
    methods,
    public_methods,
    role_from,
    role_number,
    roles_of,
)
from ingestor.local.services import SERVICES
from ingestor.v1 import authorization_pb2

PROTOS = Path(__file__).parents[3] / "protos"
VIEWER = MethodAccess(roles=[authorization_pb2.ROLE_VIEWER])
UPLOADER = MethodAccess(roles=[authorization_pb2.ROLE_UPLOADER])
PLATFORM = MethodAccess(roles=[authorization_pb2.ROLE_ADMIN], platform=True)


def test_every_method_of_every_proto_is_known() -> None:
    declared = sum(path.read_text("utf-8").count("\n  rpc ") for path in PROTOS.rglob("*.proto"))
    assert len(methods()) == declared > 40


def test_every_method_says_who_may_call_it() -> None:
    for name, access in methods().items():
        assert access.roles or access.services or access.anyone_signed_in, name
        assert set(access.services) <= set(SERVICES), name
        assert not access.platform or list(access.roles) == [authorization_pb2.ROLE_ADMIN], name
        assert authorization_pb2.ROLE_UNSPECIFIED not in access.roles, name


def test_internal_methods_are_for_services_only() -> None:
    internal = {
        f"{service.full_name}/{method.name}"
        for file in INTERNAL_FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert internal and internal.isdisjoint(public_methods())
    assert internal | public_methods().keys() == methods().keys()
    for name in internal:
        assert not methods()[name].audited and not roles_of(methods()[name]), name


def test_what_changes_something_or_hands_out_rows_is_audited() -> None:
    starts = (
        "Apply", "Delete", "Create", "Complete", "Abort", "Pause", "Resume", "Cancel", "Retry", "Undo",
        "Revoke", "Set", "Remove", "Download",
    )  # fmt: skip
    for name, access in public_methods().items():
        changes = name.partition("/")[2].startswith(starts)
        assert access.audited or not changes, name


def test_all_public_services_are_listed() -> None:
    assert len({file.name for file in PUBLIC_FILES}) == len(PUBLIC_FILES) == 6


@pytest.mark.parametrize("role", Role)
def test_roles_and_their_numbers(role: Role) -> None:
    assert role_from(role_number(role)) is role
    assert may({role}, VIEWER, platform=False)
    assert may({role}, UPLOADER, platform=False) == (role in (Role.UPLOADER, Role.ADMIN))
    assert may({role}, PLATFORM, platform=True) == (role is Role.ADMIN)
    assert not may({role}, PLATFORM, platform=False)
    assert not may({role}, MethodAccess(services=["upload"]), platform=True)
    assert not may({role}, MethodAccess(), platform=True)


def test_no_role_is_no_right_and_unknown_roles_are_none() -> None:
    assert not may((), VIEWER, platform=True)
    assert may((), MethodAccess(anyone_signed_in=True), platform=False)
    assert role_from(0) is None and role_from(99) is None
    assert known_roles(["viewer", "Admin", "root", 5, None]) == {Role.VIEWER}


def test_keys_of_pipelines_know_every_method_that_they_may_call() -> None:
    """A method that is new is refused to such keys until somebody has thought of it."""
    possible = pipelines._FREE | pipelines._OF_A_PROCESS | pipelines._NAMED.keys()
    assert possible <= public_methods().keys()
    assert {name.partition("/")[2] for name in public_methods().keys() - possible} == {
        "CreateKey", "DescribeTable", "GetOverview", "GetQueues", "GetQuotas", "GetStorage",
        "ListAuditRecords", "ListKeys", "ListMembers", "ListTenants", "RemoveMember", "RevokeKey",
        "SetMember", "SetQuotas",
    }  # fmt: skip
