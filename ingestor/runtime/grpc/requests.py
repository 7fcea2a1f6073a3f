"""Checks requests, writes times, and makes page tokens (AIP-158), for the gRPC side of every service."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ingestor.runtime.clock import USUAL_YEARS, is_usual_time
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError

T = TypeVar("T", int, str)
_DEFAULT_PAGE = 50
_MAX_PAGE = 1000
_MAX_TOKEN = 1000  # characters; the longest that is made has a name of 255 characters in it
_POSITIONS = range(2**62 + 1)


def wrong(field: str, problem: str) -> InvalidArgumentError:
    """The error for one invalid field, such as `wrong("row", "must be at least 1")`."""
    return InvalidArgumentError(
        "INVALID_ARGUMENT", f"{field} {problem}.", violations=[FieldViolation(field, problem)]
    )


def read_uuid(field: str, text: str) -> str:
    """A UUID in canonical form. Raises InvalidArgumentError."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise wrong(field, "is not a UUID") from None


def read_time(field: str, time: Timestamp) -> datetime:
    """A time of the USUAL_YEARS, in UTC. Raises InvalidArgumentError."""
    try:
        found = time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise wrong(field, "is not a valid time") from None
    if not is_usual_time(found):
        raise wrong(field, f"must be in the years {USUAL_YEARS.start} to {USUAL_YEARS.stop - 1}")
    return found


def write_time(time: datetime | None) -> Timestamp | None:
    """A time of a response; None for none."""
    if time is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def read_page_size(size: int) -> int:
    """The number of items to return: 50 for 0, at most 1000. Raises InvalidArgumentError."""
    if size < 0:
        raise wrong("page_size", "must not be negative")
    return min(size or _DEFAULT_PAGE, _MAX_PAGE)


def make_token(scope: str, position: int | str) -> str:
    """An opaque token of the page after `position`; `scope` names the call and its filter."""
    raw = json.dumps([_digest(scope), position]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_token(scope: str, token: str, kind: type[T]) -> T | None:
    """The position in a token; None for the first page. Raises InvalidArgumentError when `make_token` did not
    make the token for this scope."""
    if not token:
        return None
    if len(token) > _MAX_TOKEN:
        raise wrong_token()
    try:
        digest, position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        raise wrong_token() from None
    if digest != _digest(scope) or type(position) is not kind:
        raise wrong_token("belongs to another call or filter")
    if position not in _POSITIONS if isinstance(position, int) else "\0" in position:
        raise wrong_token()
    return position


def wrong_token(problem: str = "is not from this service") -> InvalidArgumentError:
    """The error for a page token."""
    return InvalidArgumentError(
        "INVALID_PAGE_TOKEN",
        f"The page token {problem}; leave it out to get the first page.",
        violations=[FieldViolation("page_token", problem)],
    )


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]
