"""TCP ports of the loopback interface."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below those that systems give to clients (IANA and Linux): a connection to elsewhere may take such a port
# before the server for which it was picked listens.
_PICKED = range(20_000, 32_000)
_TRIES = 100


class OwnPort:
    """The port of a server: picked when it first starts, the same when it starts again."""

    def __init__(self, preferred: int | None) -> None:
        """Without a preferred one, or if that is not free, it is a free one."""
        self._preferred = preferred
        self._picked: int | None = None

    def pick(self) -> int:
        """The port to listen on."""
        if self._picked is None:
            self._picked = free_port(self._preferred)
        return self._picked

    @property
    def number(self) -> int:
        """The port, before the first start the preferred one; raises RuntimeError when there is none yet."""
        number = self._picked or self._preferred
        if number is None:
            raise RuntimeError("not started")
        return number


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(preferred: int | None = None) -> int:
    """The preferred port if it is free, else a free one at random."""
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(_PICKED, _TRIES):
        if is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        found: int = probe.getsockname()[1]
        return found
