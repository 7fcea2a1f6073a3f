"""What the commands share: the connection to the suite, and options that several of them have."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from ingestor.cli.output import errors_in_one_line, say
from ingestor.client import AsyncClient
from ingestor.client.channel import Endpoint

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Settings:
    """The options that hold for all commands."""

    address: str
    debug: bool
    ca: str | None = None  # file
    token: str | None = field(default=None, repr=False)  # None: as AsyncClient finds one
    tenant: str | None = None
    allow_plaintext_token: bool = False

    @property
    def endpoint(self) -> Endpoint:
        """The gateway. Raises click.UsageError."""
        try:
            return Endpoint.of(self.address, ca=self.ca)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    def run(self, work: Callable[[AsyncClient], Awaitable[T]], *, patience: float = 10.0) -> T:
        """Do some work with a client; an error ends the program with a line on stderr. A lost connection
        is tried again for `patience` seconds."""
        reported: list[str] = []

        def on_lost(reason: str) -> None:
            if not reported:
                say(f"connection lost ({reason}), trying again")
                reported.append(reason)

        async def with_client() -> T:
            try:
                made = AsyncClient(
                    self.address, patience=patience, on_lost=on_lost, ca=self.ca, token=self.token,
                    tenant=self.tenant, allow_plaintext_token=self.allow_plaintext_token,
                )  # fmt: skip
            except ValueError as error:
                raise click.UsageError(str(error)) from None
            async with made as client:
                return await work(client)

        with errors_in_one_line(self.address, self.debug):
            return asyncio.run(with_client())
        raise AssertionError("unreachable: errors_in_one_line exits")

    def collect(self, listing: Callable[[AsyncClient], AsyncIterator[T]]) -> list[T]:
        """All that a listing has; errors as of `run`."""

        async def work(client: AsyncClient) -> list[T]:
            return [item async for item in listing(client)]

        return self.run(work)


def json_option(command: F) -> F:
    """--json, which every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def no_wait_option(command: F) -> F:
    """--no-wait, of the commands that begin a process."""
    return click.option("--no-wait", is_flag=True, help="Return when the process has begun.")(command)


process_argument = click.argument("process")


def file_argument(metavar: str = "FILE", *, exists: bool = False) -> Callable[[F], F]:
    """A file to read; with `exists` its absence is an error of usage."""
    path = click.Path(path_type=Path, dir_okay=False, exists=exists)
    return click.argument("file", metavar=metavar, type=path)


def dialect_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to read a file; the command gets them as one, `dialect` (JSON)."""

    @click.option(
        "--dialect",
        "document",
        metavar="JSON|FILE",
        help="Read the file by this dialect: see docs/guides/reading-files.md.",
    )
    @click.option(
        "--format",
        "format_",
        metavar="NAME",
        help="Read csv, jsonl, json, xlsx, parquet or a plug-in's format.",
    )
    @click.option(
        "--encoding",
        metavar="NAME",
        help="Decode text by this encoding, as Python names it: utf-16, cp1252, ...",
    )
    @click.option("--delimiter", metavar="TEXT", help="Split CSV at this: up to 8 characters, tab or space.")
    @click.option("--sheet", metavar="NAME|NUMBER", help="Read this sheet of a workbook.")
    @click.option("--skip-lines", type=click.IntRange(0), help="Find the header after this many lines.")
    @click.option("--header/--no-header", default=None, help="The file has a header, or none.")
    @functools.wraps(command)
    def with_dialect(
        *arguments: Any,
        document: str | None,
        format_: str | None,
        encoding: str | None,
        delimiter: str | None,
        sheet: str | None,
        skip_lines: int | None,
        header: bool | None,
        **options: Any,
    ) -> None:
        dialect: dict[str, Any] = _dialect_document(document) if document else {}
        number = int(sheet) if sheet and sheet.isdigit() else sheet
        delimiter = {"tab": "\t", "space": " "}.get(delimiter or "", delimiter)
        named = {
            "format": format_, "encoding": encoding, "delimiter": delimiter, "sheet": number,
            "skipLines": skip_lines, "header": header,
        }  # fmt: skip
        dialect |= {key: value for key, value in named.items() if value is not None}
        command(*arguments, dialect=json.dumps(dialect) if dialect else "", **options)

    return with_dialect


def _dialect_document(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text("utf-8")
        except OSError as error:
            raise click.BadParameter(
                f"cannot read {text}: {error.strerror}", param_hint="--dialect"
            ) from None
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--dialect") from None
    return found
