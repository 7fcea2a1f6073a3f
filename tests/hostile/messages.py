"""Any message of the contract, made from its descriptor: each field left out, usual, at its edges, beyond."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

_F = FieldDescriptor
_EDGES = {
    _F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _F.CPPTYPE_UINT32: (0, 2**32 - 1),
    _F.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_YEAR_1, _YEAR_9999 = -62_135_596_800, 253_402_300_799
_SECONDS = (_YEAR_1, _YEAR_1 - 1, _YEAR_9999, _YEAR_9999 + 1, 0, -1, -(2**63), 2**63 - 1, 1_770_000_000)
_NANOS = (0, 1, -1, 999_999_999, 10**9, -(2**31), 2**31 - 1)
_TEXTS = (
    "\0", "a\0b", "-", "--help", "../../etc/passwd", "%", "'", '"', "\\", "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\ufffe", "\U0010ffff", "x" * 300, "x" * 100_000, "é" * 20_000, "9" * 5000, "-1", "1e400", "NaN", "\n",
    " ", "*", "public.x", '{"a":', "[" * 5000, '{"a":' * 2000, "null", "[]", "{}", '"x"', "1" * 5000,
    '{"delimiter": "\\u0000"}', '{"encoding": "idna"}', '{"encoding": "undefined"}', '{"name": "\\u0000"}',
    '{"name": "\\ud800"}', '{"headerRows": [1e999]}', '{"sheet": 99999999999999999999}',
)  # fmt: skip
_FILTERS = (
    "state=FAILED", "status!=SUCCEEDED", "row>=0", "line>999999999999999999", 'code="\0"', 'pipeline:"%"',
    'create_time>"0001-01-01"', 'create_time<"9999-12-31T23:59:59-23:59"', "repairs=x", "repairs=\"\\",
    " AND ".join(["pipeline:a"] * 1000), " AND ".join(["row>0"] * 20), 'file_name:"' + "%" * 3000 + '"',
)  # fmt: skip


def _token(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(["0" * 16, position]).encode()).decode().rstrip("=")


_TOKENS = (
    "x", "=", "é", "A" * 100_000, *map(_token, (0, 2**70, -1, 1.5, "x", None, [])),
    base64.urlsafe_b64encode(b"[" * 60_000).decode(),
)  # fmt: skip


def messages(
    descriptor: Descriptor, usual: Callable[[FieldDescriptor], Sequence[Any]]
) -> st.SearchStrategy[Message]:
    """Messages of a type; `usual` are values of a field that calls succeed with."""
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return st.builds(Timestamp, seconds=st.sampled_from(_SECONDS), nanos=st.sampled_from(_NANOS))
    fields = {field.name: _values(field, usual) for field in descriptor.fields}
    made: Any = GetMessageClass(descriptor)
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: made(**values))


def _values(
    field: FieldDescriptor, usual: Callable[[FieldDescriptor], Sequence[Any]]
) -> st.SearchStrategy[Any]:
    one = _value(field, usual)
    if not field.is_repeated:
        return one
    # A request may have as many as fit into it, but a test has to show it.
    short = one.filter(lambda value: _size(value) < 50)
    return st.one_of(st.lists(one, max_size=4), short.map(lambda value: [value] * 2000))


def _value(
    field: FieldDescriptor, usual: Callable[[FieldDescriptor], Sequence[Any]]
) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == _F.CPPTYPE_MESSAGE:
        assert field.message_type is not None
        return messages(field.message_type, usual)
    if kind == _F.CPPTYPE_BOOL:
        return st.booleans()
    known = st.sampled_from(list(usual(field)) or [None]).filter(lambda value: value is not None)
    choices: list[st.SearchStrategy[Any]] = [known] if usual(field) else []
    if kind == _F.CPPTYPE_ENUM:
        assert field.enum_type is not None
        numbers = [value.number for value in field.enum_type.values]
        return st.one_of(
            st.sampled_from(numbers), st.sampled_from([-1, max(numbers) + 1, 2**31 - 1, -(2**31)])
        )
    if kind in _EDGES:
        least, most = _EDGES[kind]
        edges = [
            value
            for value in (least, least + 1, -1, 0, 1, 2**31, 2**53, most - 1, most)
            if least <= value <= most
        ]
        return st.one_of(*choices, st.sampled_from(edges), st.integers(least, most))
    if kind in (_F.CPPTYPE_DOUBLE, _F.CPPTYPE_FLOAT):
        return st.one_of(*choices, st.floats(width=64 if kind == _F.CPPTYPE_DOUBLE else 32))
    if field.type == _F.TYPE_BYTES:
        return st.one_of(*choices, st.binary(max_size=100), st.just(b"\0" * 1_000_000))
    # No surrogates: protobuf refuses them before anything is sent.
    texts = st.one_of(
        *choices, st.sampled_from(_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    )
    if field.name == "filter":
        return st.one_of(st.sampled_from(_FILTERS), texts)
    if field.name == "page_token":
        return st.one_of(st.sampled_from(_TOKENS), texts)
    return texts


def _size(value: Any) -> int:
    """About how many bytes a value takes."""
    return value.ByteSize() if isinstance(value, Message) else len(value) if hasattr(value, "__len__") else 8
