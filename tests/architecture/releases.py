"""The release before this state of the tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The newest release and its commit, for clones without tags.
NEWEST = ("v0.2.0", "fa50b4963b0488b7cf3a39413aadd6ee91855a18")


def git(*arguments: str) -> str:
    """What git says; raises CalledProcessError."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def last_release() -> tuple[str, str]:
    """The tag of the newest release in this history, and what git knows it by. Skips the test in a clone that
    does not go back so far."""
    try:
        tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*").strip()
    except subprocess.CalledProcessError:
        try:
            git("merge-base", "--is-ancestor", NEWEST[1], "HEAD")
        except subprocess.CalledProcessError:
            pytest.skip("the history of this clone does not go back to the last release")
        return NEWEST
    return tag, tag
