"""The option --role, and how times are shown and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from ingestor.client import Role

F = TypeVar("F", bound=Callable[..., Any])


def roles_option(command: F) -> F:
    """--role, once or more."""
    return click.option(
        "--role",
        "roles",
        type=click.Choice([role.value for role in Role]),
        multiple=True,
        required=True,
        help="Give this role; may be repeated.",
    )(command)


def joined(parts: Iterable[str]) -> str:
    """Names as people read them."""
    return ", ".join(parts)


def moment(time: datetime | None, none: str = "") -> str:
    """A time as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S") if time else none


def read_time(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """A point in time in ISO 8601; one without an offset is in UTC. A callback of options."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
