"""What `ingestor login` keeps: for each gateway's address the tokens of the person who signed in there, in a
file that only its owner can read."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ingestor.client.errors import FailedPreconditionError


@dataclass(frozen=True)
class Login:
    """The tokens of a person, and how they are renewed."""

    issuer: str
    client_id: str
    token_endpoint: str
    revocation_endpoint: str  # empty: the issuer has none
    scope: str
    resource: str  # that the tokens are for; empty: the issuer is not asked for one
    access_token: str
    expires_at: float | None  # Unix time; None: the issuer did not say
    refresh_token: str  # empty: it cannot be renewed

    def __repr__(self) -> str:
        """Without the tokens, so that no log shows them."""
        return f"Login(issuer={self.issuer!r}, expires_at={self.expires_at!r})"


class Logins:
    """The file, by host:port of gateways. Its methods block; they raise FailedPreconditionError
    (LOGINS_UNREADABLE), OSError."""

    def __init__(self, path: Path | None = None) -> None:
        """Without a path: logins.json in the folder `ingestor` of $XDG_CONFIG_HOME, else of ~/.config."""
        if path is None:
            base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
            path = Path(base) / "ingestor" / "logins.json"
        self.path = path

    def get(self, address: str) -> Login | None:
        """Who is signed in at an address."""
        return self._read().get(address.lower())

    def put(self, address: str, login: Login | None) -> None:
        """Sign somebody in, or out."""
        known = self._read()
        known.pop(address.lower(), None)
        if login is not None:
            known[address.lower()] = login
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.unlink(missing_ok=True)  # one that was left may be open to others
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({each: asdict(login) for each, login in known.items()}, file, indent=2)
        part.replace(self.path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one program at a time renews: most issuers accept a refresh token once."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, Login]:
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return {}
        try:
            return {address: Login(**found) for address, found in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError):
            raise FailedPreconditionError(
                f"{self.path} is damaged; delete it and run `ingestor login`", reason="LOGINS_UNREADABLE"
            ) from None
