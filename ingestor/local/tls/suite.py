"""The certificates of a suite, and their renewal while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.services import CONVERTER, OPERATOR, SERVICES
from ingestor.local.tls.ca import LocalCa

LOOK_SECONDS = 3600.0
GATEWAY, WEB, POSTGRES, AWS = "gateway", "web", "postgres", "aws"
# The gateway's settings, whatever the environment says: a suite without --tls has none.
WITHOUT_TLS = {"gateway_tls_cert": "", "gateway_tls_key": "", "tls_cert": "", "tls_key": "", "tls_ca": ""}


@dataclass
class SuiteTls:
    """The CA in the data folder; `on_renewed` holds what must be told that its certificate is another."""

    ca: LocalCa
    on_renewed: dict[str, Callable[[], None]] = field(default_factory=dict)
    looked: float = field(default_factory=time.monotonic)
    due: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.services = {name: self.ca.leaf(name) for name in (*SERVICES, CONVERTER, OPERATOR)}
        self.web = self.ca.leaf(WEB, local=True)
        self.postgres = self.ca.leaf(POSTGRES, local=True)
        self.aws = self.ca.leaf(AWS, local=True)
        own = self.ca.leaf(GATEWAY, local=True)
        # Settings of the gateway, which shows clients and services the same certificate.
        self.gateway = {
            "gateway_tls_cert": str(own.certificate),
            "gateway_tls_key": str(own.key),
            "tls_cert": str(own.certificate),
            "tls_key": str(own.key),
            "tls_ca": str(own.ca),
            "gateway_sds_dir": str(self.ca.folder / "sds"),
        }

    def renew(self, say: Callable[[str], None]) -> None:
        """Now and then, renew the certificates near their end. What fails is said, and tried again at the
        next look: there are weeks for it."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        self.due |= set(self.ca.due())
        for name in sorted(self.due):
            try:
                self.ca.issue(name)
                self.on_renewed.get(name, lambda: None)()
            except (OSError, SuiteError) as error:
                say(f"the certificate of {name} could not be renewed: {error}")
            else:
                self.due.discard(name)


def open_tls(folder: Folder) -> SuiteTls:
    """The CA of a data folder, made when there is none. Raises SuiteError when it has expired."""
    parts = [*SERVICES, CONVERTER, OPERATOR, GATEWAY, WEB, POSTGRES, AWS]
    return SuiteTls(LocalCa(folder.path / "tls", parts))
