"""Remembers the excerpts of files that somebody looks at: who changes a type runs the same rows again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ingestor.services.upload.dry_runs import Excerpt
from ingestor.services.upload.ports import Inspector
from ingestor.services.upload.uploads import Upload, UploadState

_BYTES = 32 * 2**20  # of all that are remembered
_LARGEST = 8 * 2**20  # of one


class RecentExcerpts:
    """The excerpts that were made last. What an upload has committed does not change."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._kept: OrderedDict[tuple[object, ...], Excerpt] = OrderedDict()
        self._size = 0

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str]) -> Excerpt:
        """See Inspector.excerpt."""
        key = (
            upload.tenant, upload.file_key, upload.committed_size, upload.whole, upload.file_name, dialect,
            rows, tuple(labels),
        )  # fmt: skip
        # Of an aborted upload the file is gone.
        found = None if upload.state is UploadState.ABORTED else self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        made = await self._inspector.excerpt(upload, dialect, rows, labels)
        if _size(made) <= _LARGEST and key not in self._kept:
            self._kept[key] = made
            self._size += _size(made)
            while self._size > _BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._size -= _size(oldest)
        return made


def _size(excerpt: Excerpt) -> int:
    """Bytes of memory, about: the cells are in it twice, and a cell of a row takes 60 bytes more."""
    return 2 * len(excerpt.content) + 60 * len(excerpt.rows) * len(excerpt.columns)
