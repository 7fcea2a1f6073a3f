"""Why a file as a whole cannot be read."""

from __future__ import annotations

UNREADABLE = 3  # exit status of a program that cannot read its file


class UnreadableFileError(Exception):
    """`reason` (UPPER_SNAKE) for programs, `message` (one sentence) for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


TOO_MUCH_MEMORY = "Reading the file takes more memory than there is for it here; send it as CSV, or in parts."
