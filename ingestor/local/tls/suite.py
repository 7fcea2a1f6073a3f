"""The certificates of a suite, and their renewal while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ingestor.local.folder import Folder
from ingestor.local.services import OPERATOR, SERVICES
from ingestor.local.tls.ca import LocalCa
from ingestor.local.tls.gateway import GatewayTls

_LOOK_SECONDS = 3600.0
GATEWAY, POSTGRES, AWS = "gateway", "postgres", "aws"


@dataclass
class SuiteTls:
    """The CA in the data folder; `on_renewed` holds what must be told that its certificate is another."""

    ca: LocalCa
    on_renewed: dict[str, Callable[[], None]] = field(default_factory=dict)
    looked: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.services = {name: self.ca.leaf(name) for name in (*SERVICES, OPERATOR)}
        self.postgres = self.ca.leaf(POSTGRES, local=True)
        self.aws = self.ca.leaf(AWS, local=True)
        self._gateway = self.ca.leaf(GATEWAY, local=True)

    def gateway(self, folder: Folder) -> GatewayTls:
        """What the gateway shows to clients and to services."""
        return GatewayTls(shown=self._gateway, own=self._gateway, folder=folder.path / "tls" / "envoy")

    def renew(self) -> None:
        """Now and then, renew the certificates near their end."""
        if time.monotonic() - self.looked < _LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        for name in self.ca.renew():
            self.on_renewed.get(name, lambda: None)()


def open_tls(folder: Folder) -> SuiteTls:
    """The CA of a data folder, made when there is none. Raises SuiteError when it has expired."""
    return SuiteTls(LocalCa(folder.path / "tls", [*SERVICES, OPERATOR, GATEWAY, POSTGRES, AWS]))
