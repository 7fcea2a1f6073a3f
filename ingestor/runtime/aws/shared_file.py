"""Access keys in the shared credentials file (AWS_SHARED_CREDENTIALS_FILE) may be replaced while the program
runs. botocore reads the file once; all its other sources renew what they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from aiobotocore.credentials import AioCredentials, AioSharedCredentialProvider
from aiobotocore.session import AioSession
from botocore.credentials import CredentialProvider, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from ingestor.runtime.file_stamp import Stamp, stamp

log = structlog.get_logger(__name__)


def reload_shared_file(session: AioSession) -> None:
    """Have the session read the shared credentials file again when it has changed."""
    resolver = session.get_component("credential_provider")
    path = Path(session.get_config_variable("credentials_file")).expanduser()
    resolver.insert_before(
        AioSharedCredentialProvider.METHOD, _Provider(path, session.get_config_variable("profile"))
    )


class _Provider(CredentialProvider):
    METHOD = "ingestor-shared-credentials-file"
    CANONICAL_NAME = ""

    def __init__(self, path: Path, profile: str | None) -> None:
        super().__init__()
        self.path = path
        self._profile = profile

    async def load(self) -> AioCredentials | None:
        """The keys of the profile; None when the file has none."""
        seen = stamp(self.path)
        found = await self.read()
        return _Keys(self, found, seen) if found else None

    async def read(self) -> Any:
        """What the file says now."""
        return await AioSharedCredentialProvider(str(self.path), self._profile).load()


class _Keys(AioCredentials):
    """Keys that follow the file."""

    def __init__(self, provider: _Provider, found: Any, seen: Stamp | None) -> None:
        super().__init__(found.access_key, found.secret_key, found.token, method=found.method)
        self._provider = provider
        self._seen = seen

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override]
        """The keys that the file has now; the last ones while it has none."""
        now = stamp(self._provider.path)
        if now != self._seen:
            self._seen = now
            try:
                found = await self._provider.read()
            except BotoCoreError as error:  # half written
                log.warning("the AWS credentials file cannot be read, its last keys stay", reason=str(error))
                found = None
            if found:
                self.access_key, self.secret_key = found.access_key, found.secret_key
                self.token = found.token
        return await super().get_frozen_credentials()
