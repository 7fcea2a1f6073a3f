"""Suites that tests of several files share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Suite


class SharedSuites:
    """Starts a suite when a file first asks for it, and ends it when a file begins that does not use it: an
    idle suite takes a third of a core from the tests beside it."""

    NAMES = ("suite", "two", "elsewhere")  # the fixtures, in the order in which their files run

    def __init__(self) -> None:
        self._running: dict[str, tuple[Suite, ExitStack]] = {}

    def get(self, name: str, start: Callable[[], AbstractContextManager[Suite]]) -> Suite:
        """The suite of this name."""
        if name not in self._running:
            with ExitStack() as stack:
                suite = stack.enter_context(start())
                self._running[name] = (suite, stack.pop_all())
        return self._running[name][0]

    def end_all_but(self, names: Collection[str]) -> None:
        """End the suites that have other names."""
        for name in [name for name in self._running if name not in names]:
            self._running.pop(name)[1].close()


SHARED = SharedSuites()
