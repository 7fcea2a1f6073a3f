"""Writes the reference of the gRPC API from the comments of the protos: a page per service, and one of the
messages that several services use. Made before each build into reference/grpc, which is not kept in Git."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

from ingestor.access.roles import Role, roles_of
from ingestor.v1 import authorization_pb2

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SHARED = "messages"
ROLES = "roles"
# Numbers of the fields of the descriptors, which make up the paths of comments.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_METHOD = _FIELD = _VALUE = 2

# "NOT_FOUND (PROCESS_NOT_FOUND, ...)" in a comment: a status code and reasons, each perhaps with a remark.
_STATUS = (
    r"(?:INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION|ABORTED|RESOURCE_EXHAUSTED|DATA_LOSS|UNAVAILABLE"
    r"|PERMISSION_DENIED)"
)
_ERROR = re.compile(rf"\b({_STATUS})(?: \(([^()]*)\))?")
_REASON = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b(?=[:;,]|$)")

_EXAMPLE_VALUES: dict[str, Any] = {
    "process_id": "018f4d2e-7c1a-7b3e-9f00-0123456789ab",
    "upload_id": "018f4d2e-7c1a-7b3e-9f00-0123456789ab",
    "name": "customers",
    "pipeline": "customers",
}


@dataclass(frozen=True)
class Api:
    """A proto package: its services, its messages and enums by full name, and the comments of all of them."""

    package: str
    services: dict[str, ServiceDescriptorProto] = field(default_factory=dict)
    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    enums: dict[str, EnumDescriptorProto] = field(default_factory=dict)
    comments: dict[tuple[str, ...], str] = field(default_factory=dict)


def read_api(protos: Path, package: str) -> Api:
    """The package below the folder `protos`. Raises RuntimeError when protoc refuses it."""
    sources = sorted((protos / Path(*package.split("."))).glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "api.binpb"
        status = protoc.main(
            [
                "protoc",
                f"-I{protos}",
                f"-I{files('grpc_tools') / '_proto'}",
                "--include_source_info",
                f"--descriptor_set_out={target}",
                *map(str, sources),
            ]
        )
        if status:
            raise RuntimeError(f"protoc cannot read the protos in {protos}.")
        found = FileDescriptorSet.FromString(target.read_bytes())
    api = Api(package)
    for file in found.file:
        comments = {
            tuple(place.path): place.leading_comments or place.trailing_comments
            for place in file.source_code_info.location
        }

        def note(path: tuple[int, ...], *name: str, known: Mapping[tuple[int, ...], str] = comments) -> None:
            api.comments[name] = known.get(path, "")

        for number, message in enumerate(file.message_type):
            full = f".{file.package}.{message.name}"
            api.messages[full] = message
            note((_FILE_MESSAGE, number), full)
            for member, item in enumerate(message.field):
                note((_FILE_MESSAGE, number, _FIELD, member), full, item.name)
        for number, enum in enumerate(file.enum_type):
            full = f".{file.package}.{enum.name}"
            api.enums[full] = enum
            note((_FILE_ENUM, number), full)
            for member, value in enumerate(enum.value):
                note((_FILE_ENUM, number, _VALUE, member), full, value.name)
        for number, service in enumerate(file.service):
            api.services[service.name] = service
            note((_FILE_SERVICE, number), service.name)
            for member, method in enumerate(service.method):
                note((_FILE_SERVICE, number, _METHOD, member), service.name, method.name)
    return api


def _types_of(api: Api, names: Iterable[str]) -> set[str]:
    """The messages and enums that these messages are made of, and themselves."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found or not (name in api.messages or name in api.enums):
            continue
        found.add(name)
        if name in api.messages:
            todo += [item.type_name for item in api.messages[name].field if item.type_name]
    return found


def pages(api: Api, gateway: str) -> dict[str, str]:
    """The pages, Markdown by name (without extension)."""
    used = {
        name: _types_of(api, (side for m in service.method for side in (m.input_type, m.output_type)))
        for name, service in api.services.items()
    }
    made: dict[str, str] = {}
    own: set[str] = set()
    for name, service in api.services.items():
        only_here = used[name].difference(*(types for other, types in used.items() if other != name))
        own |= only_here
        made[_page_of(name)] = _service_page(api, service, only_here, gateway)
    shared = set().union(*used.values()) - own
    made[SHARED] = (
        "# Messages that several services use\n\n" + "\n".join(_types(api, shared, "##")) if shared else ""
    )
    made[ROLES] = _roles_page(api)
    return {name: text for name, text in made.items() if text}


def _roles_page(api: Api) -> str:
    """Methods by roles."""
    lines = [
        "# Roles",
        "",
        _text(api, ".ingestor.v1.Role"),
        "",
        "| role | may |",
        "|---|---|",
        *(f"| {role} | {_cell(api, '.ingestor.v1.Role', f'ROLE_{role.name}')} |" for role in Role),
        "",
        "Methods that are marked with ✎ are written to the audit log; those with ⌂ need the tenant of the "
        "platform.",
    ]
    for name, service in api.services.items():
        lines += ["", f"## {name}", "", f"| method | {' | '.join(Role)} |", "|---" * (len(Role) + 1) + "|"]
        for method in service.method:
            access = method.options.Extensions[authorization_pb2.access]
            allowed = roles_of(access)
            marks = (" ✎" if access.audited else "") + (" ⌂" if access.platform else "")
            cells = " | ".join("yes" if role in allowed else "" for role in Role)
            lines.append(f"| [{method.name}](#{_anchor(name, method.name)}){marks} | {cells} |")
    return "\n".join(lines) + "\n"


def _page_of(service: str) -> str:
    """`StatusService` is on the page `status-service`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", service).lower()


def _service_page(api: Api, service: ServiceDescriptorProto, types: set[str], gateway: str) -> str:
    lines = [
        f"# {service.name}",
        "",
        _text(api, service.name),
        "",
        *_example(api, service, gateway),
        "",
        "| method | request | answer |",
        "|---|---|---|",
    ]
    for method in service.method:
        lines.append(
            f"| [{method.name}](#{_anchor(service.name, method.name)}) "
            f"| {_type_link(method.input_type, method.client_streaming)} "
            f"| {_type_link(method.output_type, method.server_streaming)} |"
        )
    for method in service.method:
        lines += ["", *_method(api, service, method)]
    lines += ["", "## Messages", "", *_types(api, types, "###")]
    return "\n".join(lines) + "\n"


def _example(api: Api, service: ServiceDescriptorProto, gateway: str) -> list[str]:
    """A call of the service's first method that needs few words and sends no stream."""

    def words(method: MethodDescriptorProto) -> dict[str, Any] | None:
        request = api.messages[method.input_type]
        known = {
            item.name: _EXAMPLE_VALUES[item.name] for item in request.field if item.name in _EXAMPLE_VALUES
        }
        needed = method.name.startswith(("Get", "List", "Undo", "DryRun"))
        return known if needed and not method.client_streaming else None

    calls = [(method, found) for method in service.method if (found := words(method)) is not None]
    if not calls:
        return []
    method, found = calls[0]
    body = json.dumps(found)
    path = f"{api.package}.{service.name}/{method.name}"
    return [
        "```sh",
        f"buf curl --http2-prior-knowledge --protocol grpc -d '{body}' \\",
        f"  http://{gateway}/{path}",
        f"grpcurl -plaintext -d '{body}' \\",
        f"  {gateway} {path}",
        "```",
    ]


def _method(api: Api, service: ServiceDescriptorProto, method: MethodDescriptorProto) -> list[str]:
    comment = api.comments[service.name, method.name]
    lines = [
        f"({_anchor(service.name, method.name)})=",
        f"## {method.name}",
        "",
        f"Request: {_type_link(method.input_type, method.client_streaming)}. "
        f"Answer: {_type_link(method.output_type, method.server_streaming)}. {_callers(method)}",
        "",
        _text(api, service.name, method.name),
    ]
    errors = errors_of(comment)
    if errors:
        lines += ["", "| status code | reason |", "|---|---|"]
        for status, reasons in errors:
            links = ", ".join(
                f"[`{reason}`](#reason-{reason.lower().replace('_', '-')})" for reason in reasons
            )
            lines.append(f"| `{status}` | {links or '—'} |")
    return lines


def _callers(method: MethodDescriptorProto) -> str:
    access = method.options.Extensions[authorization_pb2.access]
    if access.anyone_signed_in:
        return "For everybody who is signed in."
    allowed = roles_of(access)
    if len(allowed) == len(Role):
        return "For every role."
    named = " or ".join(role for role in Role if role in allowed)
    where = ", in the tenant of the platform" if access.platform else ""
    return f"For the role {named}{where}."


def errors_of(comment: str) -> list[tuple[str, list[str]]]:
    """The status codes that a method's comment names, in order, each with the reasons in brackets."""
    found: dict[str, list[str]] = {}
    for status, inner in _ERROR.findall(" ".join(comment.split())):
        reasons = found.setdefault(status, [])
        reasons += [reason for reason in _REASON.findall(inner) if reason not in reasons]
    return list(found.items())


def _types(api: Api, names: set[str], heading: str) -> list[str]:
    lines: list[str] = []
    for name in sorted(names, key=lambda full: full.rpartition(".")[2]):
        lines += [f"({_anchor(name)})=", f"{heading} {name.rpartition('.')[2]}", "", _text(api, name), ""]
        if name in api.enums:
            lines += ["| value | number | meaning |", "|---|---|---|"]
            for value in api.enums[name].value:
                lines.append(f"| `{value.name}` | {value.number} | {_cell(api, name, value.name)} |")
        elif api.messages[name].field:
            lines += ["| field | type | number | meaning |", "|---|---|---|---|"]
            for item in api.messages[name].field:
                lines.append(
                    f"| `{item.name}` | {_field_type(item)} | {item.number} | {_cell(api, name, item.name)} |"
                )
        else:
            lines.append("It has no fields.")
        lines.append("")
    return lines


def _field_type(item: FieldDescriptorProto) -> str:
    kind = FieldDescriptorProto.Type.Name(item.type).removeprefix("TYPE_").lower()
    shown = _type_link(item.type_name, False) if item.type_name else f"`{kind}`"
    if item.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {shown}"
    return f"optional {shown}" if item.proto3_optional else shown


def _type_link(full: str, stream: bool) -> str:
    short = full.rpartition(".")[2]
    shown = f"`{full.removeprefix('.')}`" if full.startswith(".google.") else f"[{short}](#{_anchor(full)})"
    return f"stream of {shown}" if stream else shown


def _anchor(*name: str) -> str:
    return "grpc-" + "-".join(part.rpartition(".")[2] for part in name).lower()


def _text(api: Api, *name: str) -> str:
    """A comment as Markdown: constants and names of the API set as code."""
    text = re.sub(r"^ ", "", api.comments[name], flags=re.MULTILINE).strip()
    return _as_code(text)


def _cell(api: Api, *name: str) -> str:
    return " ".join(_text(api, *name).split()).replace("|", "\\|")


def _as_code(text: str) -> str:
    """Sets words with an underscore as code where the comment does not."""
    pieces = re.split(r"(`[^`]*`)", text)
    for index in range(0, len(pieces), 2):
        pieces[index] = re.sub(
            r"(?<![\w/.-])(?:[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+|_[a-z]+)(?![\w/-])", r"`\g<0>`", pieces[index]
        )
        pieces[index] = re.sub(r"[<>*\[\]]", r"\\\g<0>", pieces[index])
        pieces[index] = re.sub(r"\bdocs/([\w/-]+\.md)\b", r"[](../../\1)", pieces[index])
    return "".join(pieces)


def write_pages(app: Sphinx) -> None:
    """Write the pages that have changed, and remove those that are no longer made."""
    folder = Path(app.srcdir) / "reference" / "grpc"
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(read_api(Path(app.config.grpc_protos), app.config.grpc_package), app.config.grpc_gateway)
    for old in folder.glob("*.md"):
        if old.stem not in made:
            old.unlink()
    for name, text in made.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("grpc_protos", "", "env", types=(str,))
    app.add_config_value("grpc_package", "", "env", types=(str,))
    app.add_config_value("grpc_gateway", "", "env", types=(str,))
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
