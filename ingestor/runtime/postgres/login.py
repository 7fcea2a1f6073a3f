"""Where PostgreSQL is, and how to log in: asked anew for each connection, so that a new password, or another
role or host, needs no restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import asyncpg

from ingestor.runtime.settings import DatabaseSettings

if TYPE_CHECKING:
    from asyncpg import Connection, Record

_PORT = 5432


class Database:
    """A database as one role sees it."""

    def __init__(
        self,
        url: Callable[[], str],
        *,
        direct_url: Callable[[], str] | None = None,
        password: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """`url` leads to a pooler in transaction mode if there is a `direct_url`. `password` makes the
        password for a DSN that has none."""
        self._url = url
        self._direct_url = direct_url
        self._password = password

    @classmethod
    def of(cls, settings: DatabaseSettings) -> Database:
        """As the settings say."""
        password: Callable[[str], Awaitable[str]] | None = None
        if settings.database_auth == "rds-iam":

            async def password(url: str) -> str:
                return await _iam_token(settings, url)

        elif settings.database_password.get_secret_value():

            async def password(url: str) -> str:
                return settings.database_password.get_secret_value()

        return cls(
            settings.database_url.get_secret_value,
            direct_url=settings.database_direct_url.get_secret_value
            if settings.database_pooler == "transaction"
            else None,
            password=password,
        )

    @property
    def pooled(self) -> bool:
        """Whether a pooler in transaction mode is in front, so that a session lasts for a transaction."""
        return self._direct_url is not None

    async def connect(self, *, direct: bool = False, **options: Any) -> Connection[Record]:
        """A new connection; a `direct` one has a session of its own. `options` are asyncpg's.

        Raises OSError, TimeoutError or asyncpg errors.
        """
        url = self._direct_url() if direct and self._direct_url else self._url()
        if self.pooled and not direct:
            options["statement_cache_size"] = 0  # the next transaction may be on another connection
        if self._password:
            options["password"] = await self._password(url)
        return await asyncpg.connect(url, **options)


async def _iam_token(settings: DatabaseSettings, url: str) -> str:
    from ingestor.runtime.aws.clients import database_token

    parts = urlsplit(url)
    return await database_token(
        settings, host=parts.hostname or "", port=parts.port or _PORT, role=unquote(parts.username or "")
    )
