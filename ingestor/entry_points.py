"""What installed packages bring, found by its entry point (ingestor.plugins)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any


class PlugInError(Exception):
    """A plug-in is not installed, is so twice, cannot be imported or breaks its contract."""


def find_plug_in(group: str, kind: str, name: str) -> Callable[..., Any]:
    """What the group's entry point of this name stands for; `kind` is what messages call it. Raises
    PlugInError."""
    found = entry_points(group=group, name=name)
    if not found:
        raise PlugInError(f"no {kind} is named {name}, neither built in nor installed")
    if len({point.value for point in found}) > 1:
        raise PlugInError(f"several installed packages have a {kind} {name}")
    try:
        loaded = next(iter(found)).load()
    except Exception as error:
        raise PlugInError(f"the {kind} {name} cannot be loaded") from error
    if not callable(loaded):
        raise PlugInError(f"the {kind} {name} is nothing that can be called")
    made: Callable[..., Any] = loaded
    return made
