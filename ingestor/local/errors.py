"""Why the suite cannot start, for the person at the terminal."""

from __future__ import annotations


class SuiteError(Exception):
    """One sentence: what is wrong and, if possible, what to do."""
