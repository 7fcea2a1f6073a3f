"""Formats that two releases share: each field has its version; what a reader does not know does no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from ingestor.formats import BATCHES, OUTCOMES, Format, NewerReleaseError
from ingestor.internal.v1 import ingestion_pb2, ledger_pb2, queue_pb2
from ingestor.pipeline_documents import read_stored
from ingestor.states import process_state_name
from ingestor.v1 import (
    access_pb2,
    common_pb2,
    orchestrator_pb2,
    pipelines_pb2,
    processor_pb2,
    status_pb2,
    upload_pb2,
)

NEXT = Format(
    "batch", {**BATCHES.since, "RowBatch.quote": 2, "RepairedRows.rows": 3, "BatchRange.row_count": 2}
)


def fields_of(message: Descriptor) -> set[str]:
    """The fields of a message and of all that it contains, as a Format names them."""
    found = set()
    for field in message.fields:
        found.add(f"{message.name}.{field.name}")
        if field.message_type is not None:
            found |= fields_of(field.message_type)
    return found


@pytest.mark.parametrize(
    ("known", "messages"),
    [
        (BATCHES, [queue_pb2.RowBatch]),
        (OUTCOMES, [ledger_pb2.OutcomeHeader, ledger_pb2.RejectedRun]),
    ],
)
def test_every_field_has_a_version(known: Format, messages: list[type[Message]]) -> None:
    """A new field: an older reader may ignore it (1), or must not (the next version)."""
    found = [fields_of(cast("Descriptor", message.DESCRIPTOR)) for message in messages]
    assert set(known.since) == set().union(*found)


def test_a_message_needs_the_version_of_its_newest_field_in_use() -> None:
    message = queue_pb2.RowBatch(process_id="p", columns=["a"])
    assert NEXT.needed(message) == 1
    message.range.row_count = 3
    assert NEXT.needed(message) == 2
    message.repairs.columns.append("a")
    assert NEXT.needed(message) == 2
    message.repairs.rows.append(7)
    assert NEXT.needed(message) == 3
    assert NEXT.version == 3


def test_what_is_too_new_is_refused() -> None:
    for needed in (0, 1, 2, 3):
        NEXT.check(needed)
    with pytest.raises(NewerReleaseError, match="needs a reader of version 4, this release has version 3"):
        replace(NEXT, name="outcome").check(4)


DOCUMENT = {
    "name": "p",
    "schema": {"fields": [{"name": "a", "type": "string"}]},
    "sink": {"table": "t"},
}


@pytest.mark.parametrize(
    ("newer", "where"),
    [
        ({"since": "tomorrow"}, "/since"),
        ({"sink": {"table": "t", "mode": "tomorrow"}}, "/sink/mode"),
        ({"schema": {"fields": [{"name": "a", "type": "tomorrow"}]}}, "/schema/fields/0/type"),
    ],
)
def test_a_document_of_a_newer_release_is_not_guessed(newer: dict[str, object], where: str) -> None:
    assert read_stored("p", 3, json.dumps(DOCUMENT)).name == "p"
    with pytest.raises(NewerReleaseError, match=f"pipeline p@3 was stored by a newer release: {where}"):
        read_stored("p", 3, json.dumps({**DOCUMENT, **newer}))


FILES = (
    access_pb2, common_pb2, ingestion_pb2, ledger_pb2, orchestrator_pb2, pipelines_pb2, processor_pb2,
    queue_pb2, status_pb2, upload_pb2,
)  # fmt: skip
# Every message of the contract, public or not.
MESSAGES = [found for module in FILES for found in module.DESCRIPTOR.message_types_by_name.values()]
_UNKNOWN = 4711


def _varint(value: int) -> bytes:
    """As protobuf encodes it: seven bits a byte, the lowest first."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int) -> bytes:
    """A field whose value is not known."""
    return _varint(number << 3) + _varint(_UNKNOWN)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda found: str(found.full_name))
def test_what_an_older_reader_does_not_know_is_passed_on(message: Descriptor) -> None:
    """A field and an enum value of tomorrow: the message is read, and nothing of it is lost on the way."""
    enums = [
        field for field in message.fields
        if field.enum_type is not None and not field.is_repeated and field.containing_oneof is None
    ]  # fmt: skip
    data = b"".join(_field(field.number) for field in enums) + _field(_UNKNOWN)
    read = message_factory.GetMessageClass(message).FromString(data)
    for field in enums:
        assert getattr(read, field.name) == _UNKNOWN
    assert sorted(read.SerializeToString()) == sorted(data)  # whatever the order


def test_the_messages_are_found() -> None:
    assert len(MESSAGES) > 100


def test_a_state_of_tomorrow_has_a_name() -> None:
    assert process_state_name(common_pb2.PROCESS_STATE_COMPLETED) == "COMPLETED"
    assert process_state_name(99) == "UNSPECIFIED"  # type: ignore[arg-type]
