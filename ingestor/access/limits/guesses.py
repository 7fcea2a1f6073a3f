"""How often an address may show API keys that nobody has: each costs a look into the database."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from ingestor.runtime.errors import ResourceExhaustedError

_AT_ONCE = 30.0
_PER_SECOND = 1.0
_MOST_ADDRESSES = 4096


class Guesses:
    """A bucket of guesses per address, filled again with time. The addresses that guessed last are known; one
    that is forgotten has a full bucket again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # network -> when, guesses left

    def take(self, address: str) -> None:
        """Take a guess. Raises ResourceExhaustedError (TOO_MANY_UNKNOWN_KEYS) when the address has none."""
        left = self._now(_network(address))
        if left < 1:
            raise ResourceExhaustedError(
                "TOO_MANY_UNKNOWN_KEYS",
                "Too many API keys that nobody has came from your address; check the key, and try again "
                "shortly.",
                retry_seconds=(1 - left) / _PER_SECOND,
            )
        self._set(_network(address), left - 1)

    def give_back(self, address: str) -> None:
        """It was no guess."""
        network = _network(address)
        self._set(network, min(_AT_ONCE, self._now(network) + 1))

    def _set(self, network: str, left: float) -> None:
        self._left[network] = (self._clock(), left)
        self._left.move_to_end(network)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)

    def _now(self, network: str) -> float:
        """Guesses left."""
        now = self._clock()
        when, left = self._left.get(network, (now, _AT_ONCE))
        return min(_AT_ONCE, left + max(0.0, now - when) * _PER_SECOND)


def _network(address: str) -> str:
    """Who has one address of version 6 has its whole /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
