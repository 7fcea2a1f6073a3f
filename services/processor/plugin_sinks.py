"""Translates what sinks of outside packages raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingestor.outcomes import shortened
from ingestor.plugins import PlugInError, RefusedBatchError, TransientSinkError
from ingestor.runtime.errors import TransientError


@contextmanager
def plug_in_errors(name: str, refused: type[Exception]) -> Iterator[None]:
    """Translate what the code of the named sink raises: TransientSinkError to TransientError,
    RefusedBatchError to `refused`, anything else to PlugInError."""
    try:
        yield
    except TransientSinkError as error:
        raise TransientError(f"sink {name}: {error}") from error
    except RefusedBatchError as error:
        raise refused(shortened(str(error))) from error
    except Exception as error:
        # An OSError, for one, would pass for a passing fault of the database.
        raise PlugInError(f"the sink {name} failed") from error
