"""Roles, and who may call which method: the option `access` of each method in protos/."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import cache

from google.protobuf.descriptor import FileDescriptor

from ingestor.internal.v1 import converter_pb2, ingestion_pb2, ledger_pb2
from ingestor.v1 import (
    access_pb2,
    authorization_pb2,
    orchestrator_pb2,
    pipelines_pb2,
    processor_pb2,
    status_pb2,
    upload_pb2,
)

MethodAccess = authorization_pb2.MethodAccess

PUBLIC_FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (access_pb2, orchestrator_pb2, pipelines_pb2, processor_pb2, status_pb2, upload_pb2)
)
INTERNAL_FILES: tuple[FileDescriptor, ...] = (
    converter_pb2.DESCRIPTOR,
    ingestion_pb2.DESCRIPTOR,
    ledger_pb2.DESCRIPTOR,
)


class Role(StrEnum):
    """What a member of a tenant may do; see Role in protos/ingestor/v1/authorization.proto."""

    VIEWER = "viewer"
    UPLOADER = "uploader"
    AUTHOR = "author"
    OPERATOR = "operator"
    ADMIN = "admin"


def role_number(role: Role) -> authorization_pb2.Role.ValueType:
    """The role in messages."""
    return authorization_pb2.Role.Value(f"ROLE_{role.name}")


def role_from(number: int) -> Role | None:
    """The role of a message; None for UNSPECIFIED and for one that this version does not know."""
    name = authorization_pb2.Role.DESCRIPTOR.values_by_number.get(number)
    return Role.__members__.get(name.name.removeprefix("ROLE_")) if name else None


def known_roles(names: Iterable[object]) -> frozenset[Role]:
    """The roles among names; other names mean nothing here."""
    return frozenset(role for name in names for role in Role if role == name)


@cache
def methods() -> Mapping[str, MethodAccess]:
    """Who may call each method, by `package.Service/Method`."""
    return {
        f"{service.full_name}/{method.name}": method.GetOptions().Extensions[authorization_pb2.access]
        for file in (*PUBLIC_FILES, *INTERNAL_FILES)
        for service in file.services_by_name.values()
        for method in service.methods
    }


@cache
def public_methods() -> Mapping[str, MethodAccess]:
    """The methods that people and their machines may call, by `package.Service/Method`."""
    return {name: access for name, access in methods().items() if access.roles or access.anyone_signed_in}


def roles_of(access: MethodAccess) -> frozenset[Role]:
    """The roles that may call a method, those that include them too."""
    named = {role for number in access.roles if (role := role_from(number))}
    if access.anyone_signed_in or Role.VIEWER in named:
        return frozenset(Role)
    return frozenset(named | {Role.ADMIN}) if named else frozenset()


def may(roles: Collection[Role], access: MethodAccess, *, platform: bool) -> bool:
    """Whether a principal with these roles may call a method; `platform`: its tenant is the platform's."""
    if access.platform and not platform:
        return False
    return access.anyone_signed_in or not roles_of(access).isdisjoint(roles)
