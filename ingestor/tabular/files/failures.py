"""Turns whatever goes wrong while a file is read into one reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingestor.tabular.errors import TOO_MUCH_MEMORY, UnreadableFileError
from ingestor.tabular.records.header import HeaderError


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """Turn every failure of reading into an UnreadableFileError, apart from those of the machine."""
    try:
        yield
    except (UnreadableFileError, HeaderError):
        raise
    except MemoryError as error:
        raise UnreadableFileError("FILE_TOO_COMPLEX", TOO_MUCH_MEMORY) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a full disk, say: nothing is wrong with the file
        raise UnreadableFileError(
            "FILE_UNREADABLE",
            f"The file cannot be read as {what}: it is damaged, or the reader of this format has a defect.",
        ) from error
