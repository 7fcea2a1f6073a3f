"""What the commands print: JSON for programs, tables and bars for people, errors in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from google.protobuf.message import Message

from ingestor.client.errors import IngestorError, is_transient

# Exit statuses.
OK, FAILED, WITH_ERRORS = 0, 1, 3
# The contract's enumerations carry their type's name; people and filters do not need it.
_PREFIXES = ("PROCESS_STATE_", "ROW_STATE_", "ERROR_PHASE_", "UPLOAD_STATE_", "BATCH_STATE_", "ROLE_")
_NUMBERS = ("int64", "uint64", "sint64", "fixed64", "sfixed64")


def to_dict(message: Message) -> dict[str, Any]:
    """A message as JSON: field names as in the contract, 64-bit numbers as numbers, enumerations
    without their prefix."""
    from google.protobuf.json_format import MessageToDict  # takes long, and not every command needs it

    made = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    _plain(message, made)
    return made


def _plain(message: Message, made: dict[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name not in made:
            continue
        value = made[field.name]
        if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            made[field.name] = [int(v) for v in value] if isinstance(value, list) else int(value)
        elif field.cpp_type == field.CPPTYPE_ENUM:
            made[field.name] = [short(v) for v in value] if isinstance(value, list) else short(value)
        elif field.message_type is not None and not field.message_type.full_name.startswith("google."):
            inner = getattr(message, field.name)
            pairs = zip(inner, value, strict=True) if isinstance(value, list) else [(inner, value)]
            for part, part_made in pairs:
                _plain(part, part_made)


def short(name: str) -> str:
    """An enumeration's value without its type's name."""
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_printable(cell) for cell in row))
    console = Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=200)
    console.print(table)


def _printable(text: str) -> str:
    """Text as it is: no markup, no control characters that would move the terminal's cursor."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


def place(row: int, line: int) -> str:
    """Where a row is; its line may be unknown (0)."""
    return f"row {row:,}, line {line:,}" if line else f"row {row:,}"


def say(line: str) -> None:
    """A line for people, on stderr."""
    click.echo(line, err=True)


@contextmanager
def errors_in_one_line(address: str = "", debug: bool = False) -> Iterator[None]:
    """Turn expected errors into a line on stderr and exit status 1; with `debug` let them pass."""
    try:
        yield
    except Exception as error:
        lines = [] if debug else _lines(error, address)
        if not lines:
            raise
        for line in lines:
            say(line)
        sys.exit(FAILED)


def _lines(error: Exception, address: str) -> list[str]:
    """What to say of an error; nothing of one that is not expected."""
    from ingestor.tabular.errors import UnreadableFileError
    from ingestor.tabular.options import OptionsError

    match error:
        case IngestorError() if is_transient(error) or error.code == "DEADLINE_EXCEEDED":
            return [
                f"error: the suite at {address} does not answer ({error.message}); "
                "start one here with `ingestor up`, or name another with --address"
            ]
        case IngestorError():
            fields = [f"  {path}: {wrong}" for path, wrong in error.fields.items()]
            return [f"error: {error.message} ({error.reason or error.code})", *fields]
        case UnreadableFileError():
            return [f"error: {error.message} ({error.reason})"]
        case OptionsError():
            return [f"error: the dialect is wrong: {error}"]
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return [f"error: {place}{error.strerror or error}"]
        case _:
            return []
