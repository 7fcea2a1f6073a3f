"""Data Ingestor: what its services share, and the client that users import.

`from ingestor import Client, AsyncClient` (the rest is in ingestor.client); nothing is loaded
before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestor.client import AsyncClient, AsyncProcess, Client, IngestorError, Process

__all__ = ["AsyncClient", "AsyncProcess", "Client", "IngestorError", "Process"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import ingestor.client

    return getattr(ingestor.client, name)
