"""pyarrow, imported when it is first used: who reads pipeline documents knows the types of fields, and may
never have a column of them. It takes 40 MiB."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["pa", "pc"]


class _Late:
    """A module that is not imported yet; what was taken from it once is kept."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = _Late("pyarrow")

# pyarrow has no types of its own, and the published stubs refuse many legal calls of pyarrow.compute.
pc: Any = _Late("pyarrow.compute")
