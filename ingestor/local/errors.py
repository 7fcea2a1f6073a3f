"""What stops the suite from starting, in words for the person at the terminal."""

from __future__ import annotations


class SuiteError(Exception):
    """One sentence that says what is wrong and, where there is a remedy, which."""
