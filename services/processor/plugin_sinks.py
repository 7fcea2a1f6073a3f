"""What sinks of outside packages raise, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingestor.outcomes import shortened
from ingestor.plugins import PlugInError, RefusedBatchError, TransientSinkError
from ingestor.runtime.errors import TransientError


@contextmanager
def plug_in_errors(name: str, refused: type[Exception]) -> Iterator[None]:
    """What the code of the sink of this name raises, as errors of ours; what it refuses as `refused`. Raises
    TransientError, PlugInError."""
    try:
        yield
    except TransientSinkError as error:
        raise TransientError(f"sink {name}: {error}") from error
    except RefusedBatchError as error:
        raise refused(shortened(str(error))) from error
    except Exception as error:
        # Not as it is: an OSError of the sink's is none of the database's, which may pass.
        raise PlugInError(f"the sink {name} failed") from error
