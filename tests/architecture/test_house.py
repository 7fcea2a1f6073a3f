"""The house: no room is crowded, and one thing has one word (docs/glossary.md)."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_MODULES = 14
MODULES = (".py", ".ts", ".tsx", ".proto", ".mjs", ".js")
TEXTS = (*MODULES, ".md", ".toml", ".yaml", ".json", ".css", ".html", ".sql")

# What was said is history; what was applied to a database never changes.
EXEMPT = ("CHANGELOG.md", "package-lock.json", "test_readmes.py")

# Words that the glossary has replaced, and what to write instead.
REPLACED = {
    r"validate[-_ ]only|validateOnly|ValidateRows|CheckUpload": "dry run",
    r"\b[Tt]rials?\b|\b[Vv]erdicts?\b": "dry run, result",
    r"\bBrought|\bbrought again\b|Repairable|RepairedTable": "repair, repair rows",
    r"\b[Ll]eavings\b|\b[Uu]ndoers?\b|\b[Uu]ntold\b|\bgives way\b|\b[Jj]udgements?\b": "see the glossary",
}


def tracked() -> list[Path]:
    """Every file that git knows, this one apart."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    paths = [ROOT / name for name in listed if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def test_no_folder_is_crowded() -> None:
    modules = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in tracked()
        if path.suffix in MODULES and path.name != "__init__.py"
    )
    assert len(modules) > 40
    assert not {folder: count for folder, count in modules.items() if count > MOST_MODULES}


@pytest.mark.parametrize(("pattern", "instead"), REPLACED.items())
def test_words_that_were_replaced_stay_away(pattern: str, instead: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        if path.suffix in TEXTS and path.name not in EXEMPT and path.parent.name != "migrations"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {instead!r}:\n" + "\n".join(found)
