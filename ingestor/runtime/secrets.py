"""Secrets in files. What a file holds may change while the program runs, as it does for secrets that
Kubernetes, Docker or an agent of a vault write."""

from __future__ import annotations

import os
from pathlib import Path

import structlog
from pydantic import SecretStr

from ingestor.runtime.file_stamp import Stamp, stamp_of

log = structlog.get_logger(__name__)

_MOST_BYTES = 65_536


class SecretFileError(ValueError):
    """A file of a secret cannot be used."""


class FileSecret(SecretStr):
    """The text of a file, without white space at its end. It is read again when the file has changed; while
    the file is missing or empty, as it may be for a moment, the last text stays.

    Raises SecretFileError when it cannot be read at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp, text = _read(path)
        super().__init__(text)

    def get_secret_value(self) -> str:
        """The text that the file has now."""
        try:
            if stamp_of(self._path.stat()) != self._stamp:
                self._stamp, self._secret_value = _read(self._path)
        except (OSError, SecretFileError) as error:
            log.warning("a secret's file cannot be read, its last value stays", reason=str(error))
        return self._secret_value


def secret_from_environment(name: str) -> SecretStr | None:
    """The variable `name`, or the content of the file that `name`_FILE names; None when neither is set.

    Raises SecretFileError when both are set, or the file cannot be read.
    """
    text, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if text and path:
        raise SecretFileError(f"{name} and {name}_FILE are set; leave one of them")
    if path:
        try:
            return FileSecret(Path(path))
        except SecretFileError as error:
            raise SecretFileError(f"{name}_FILE: {error}") from None
    return SecretStr(text) if text else None


def _read(path: Path) -> tuple[Stamp, str]:
    try:
        with path.open("rb") as file:
            stamp = stamp_of(os.fstat(file.fileno()))
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise SecretFileError(f"{path} is larger than {_MOST_BYTES // 1024} KiB, which no secret is")
    try:
        text = content.decode().rstrip()
    except UnicodeDecodeError:
        raise SecretFileError(f"{path} is not UTF-8 text") from None
    if not text:
        raise SecretFileError(f"{path} is empty")
    return stamp, text
