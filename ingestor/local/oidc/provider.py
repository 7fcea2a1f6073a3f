"""Runs the OpenID provider of a demonstration as a child process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from ingestor.local.children import answers, spawn, stop, wait_ready
from ingestor.local.errors import SuiteError
from ingestor.local.ports import LOOPBACK

AUDIENCE = "ingestor"
PAGE_CLIENT = "ingestor-page"
COMMAND_LINE_CLIENT = "ingestor-cli"
SCOPE = "openid profile offline_access"
RESOURCE = "urn:ingestor"
TOKEN_SECONDS = 600
_PACKAGE = "oidc-provider"
_HERE = Path(__file__).parent


class User(TypedDict):
    """Somebody who may sign in. A role is one in each of the tenants, or `tenant/role`."""

    id: str
    name: str
    tenants: list[str]
    roles: list[str]


def users() -> list[User]:
    """The people of the demonstration."""
    found: list[User] = json.loads((_HERE / "users.json").read_text("utf-8"))
    return found


def find_modules(folder: Path) -> Path:
    """The folder whose node_modules has the provider's library: a checkout's frontend, else `folder`.

    Raises SuiteError that says how to install it.
    """
    for place in (_HERE.parents[2] / "frontend", folder):
        if (place / "node_modules" / _PACKAGE).is_dir():
            return place
    raise SuiteError(
        f"the demonstration of signing in needs the npm package {_PACKAGE}: in a checkout run make setup, "
        f"elsewhere npm install --prefix {folder} {_PACKAGE}@9; or set INGESTOR_OIDC_ISSUER to use your own "
        "provider"
    )


@dataclass
class DemoProvider:
    """The provider's process, and its replacements. It keeps its keys in `folder`, and forgets sessions when
    it ends."""

    folder: Path
    port: int
    origins: Sequence[str]  # of the page
    log: Path
    token_seconds: int = TOKEN_SECONDS
    process: subprocess.Popen[bytes] | None = None
    restarts: int = field(default=0)
    instance: str = "oidc"

    @property
    def issuer(self) -> str:
        """The claim `iss` of its tokens, and its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it, without waiting until it serves. Raises SuiteError when Node.js or the library is
        missing."""
        node = shutil.which("node")
        if node is None:
            raise SuiteError(
                "the demonstration of signing in needs Node.js 20.19 or later; install it, or set "
                "INGESTOR_OIDC_ISSUER to use your own provider"
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = {
            "issuer": self.issuer,
            "port": self.port,
            "modules": str(find_modules(self.folder)),
            "keys": str(self.folder / "keys.json"),
            "origins": list(self.origins),
            "tokenSeconds": self.token_seconds,
        }
        self.process = spawn([node, _HERE / "provider.mjs", json.dumps(options)], log=self.log)

    def wait(self) -> None:
        """Wait until it serves. Raises SuiteError when it does not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what="the OpenID provider", log=self.log)

    def is_ready(self) -> bool:
        """Whether it serves."""
        return answers(f"{self.issuer}/jwks", timeout=1)

    def stop(self) -> None:
        """Stop it."""
        if self.process:
            stop(self.process, seconds=5)


def token_seconds() -> int:
    """How long its tokens last: INGESTOR_DEMO_TOKEN_SECONDS. Raises SuiteError when that is no number."""
    text = os.environ.get("INGESTOR_DEMO_TOKEN_SECONDS", str(TOKEN_SECONDS))
    if not text.isdigit() or not 1 <= int(text) <= 86_400:
        raise SuiteError(f"INGESTOR_DEMO_TOKEN_SECONDS: {text!r} is not a number of seconds from 1 to 86400")
    return int(text)
