"""What a release may change (CONTRIBUTING.md, Releases), compared with the release before. A shallow clone
has nothing to compare with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.releases import NEWEST, ROOT, git, last_release

FOLDERS = sorted({path.parent for room in ("services", "ingestor") for path in (ROOT / room).rglob("*.sql")})
# What takes away what a service of the release before may use, or refuses what it writes.
FORBIDDEN = {
    # A reference or a demand that is gone refuses nothing.
    r"\bDROP\b(?! NOT NULL| CONSTRAINT \w+_fkey\b)": "takes something away",
    r"\bRENAME\b": "renames",
    r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b": "changes a type",
    r"\bSET NOT NULL\b": "demands a value",
    r"\bADD (COLUMN )?(IF NOT EXISTS )?\w+ (?=[^,;]*\bNOT NULL\b)(?![^,;]*\b(DEFAULT|GENERATED)\b)": (
        "adds a column that demands a value, without a default"
    ),
}
# A migration that contracts names the release since which nothing uses what it takes away.
CONTRACTS = re.compile(r"^-- unused since v(\d+)\.(\d+)\.(\d+)\b", re.MULTILINE)


def problems(sql: str, last: tuple[int, ...] = (0, 0, 0)) -> list[str]:
    """What is wrong with a migration that comes after the release `last`."""
    contracts = CONTRACTS.search(sql)
    if contracts and tuple(map(int, contracts.groups())) <= last:
        return []
    text = re.sub(r"\s+", " ", re.sub(r"--[^\n]*|'[^']*'", " ", sql))
    return [why for pattern, why in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)]


@pytest.fixture(scope="module")
def release() -> tuple[str, str]:
    """The newest release before this state of the tree: its tag, and what git knows it by."""
    return last_release()


@pytest.fixture(scope="module")
def last(release: tuple[str, str]) -> str:
    """What git knows the newest release by."""
    return release[1]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_migrations_have_numbers_of_their_own(folder: Path) -> None:
    """They are applied in this order; two branches may have taken the same number."""
    numbers = [path.name[:4] for path in folder.glob("*.sql")]
    assert len(set(numbers)) == len(numbers)


def test_clones_without_tags_know_the_newest_release(release: tuple[str, str]) -> None:
    tag, commit = release
    assert tag == NEWEST[0]
    assert git("rev-parse", f"{commit}^{{commit}}").strip() == NEWEST[1]


def test_migrations_only_add(release: tuple[str, str]) -> None:
    tag, last = release
    released = set(git("ls-tree", "-r", "--name-only", last).split("\n"))
    version = tuple(map(int, re.findall(r"\d+", tag)[:3]))
    found = {
        path.relative_to(ROOT).as_posix(): problems(path.read_text("utf-8"), version)
        for folder in FOLDERS
        for path in sorted(folder.glob("*.sql"))
        if path.relative_to(ROOT).as_posix() not in released
    }
    assert not {path: what for path, what in found.items() if what}


def test_released_migrations_stay_as_they_are(last: str) -> None:
    """They are known by their hashes in every database. New ones come after them."""
    changed = git("diff", "--name-status", "--no-renames", last, "--", "*/migrations/*.sql").splitlines()
    assert [line for line in changed if not line.startswith("A")] == []
    released = git("ls-tree", "-r", "--name-only", last).split("\n")
    for folder in FOLDERS:
        room = folder.relative_to(ROOT).as_posix()
        before = [
            Path(name).name for name in released if name.startswith(f"{room}/") and name.endswith(".sql")
        ]
        new = {path.name for path in folder.glob("*.sql")} - set(before)
        assert not new or not before or min(new) > max(before), folder


def test_the_contract_breaks_nobody(last: str, tmp_path: Path) -> None:
    archive = tmp_path / "protos.tar"
    git("archive", "-o", str(archive), last, "protos", "buf.yaml")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    checked = subprocess.run(
        [Path(sys.executable).with_name("buf"), "breaking", "--against", tmp_path],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("ALTER TABLE a ADD COLUMN b text, ADD c integer NOT NULL DEFAULT 1;", 0),
        ("ALTER TABLE a ADD c bigint NOT NULL GENERATED ALWAYS AS (b) STORED;", 0),
        ("CREATE TABLE a (b text NOT NULL); -- DROP nothing, RENAME nothing", 0),
        ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL;", 0),
        ("ALTER TABLE a DROP CONSTRAINT a_b_fkey;", 0),
        ("ALTER TABLE a DROP CONSTRAINT a_pkey;", 1),
        ("ALTER TABLE a\n  DROP COLUMN b;", 1),
        ("drop table a;", 1),
        ("ALTER TABLE a RENAME b TO c;", 1),
        ("ALTER TABLE a ALTER b TYPE bigint;", 1),
        ("ALTER TABLE a ALTER COLUMN b SET DATA TYPE bigint;", 1),
        ("ALTER TABLE a ALTER COLUMN b SET NOT NULL;", 1),
        ("ALTER TABLE a ADD COLUMN b text NOT NULL, ADD c text NOT NULL DEFAULT '';", 1),
        ("ALTER TABLE a ADD c text DEFAULT '', ADD COLUMN b text NOT NULL;", 1),
        ("-- unused since v0.2.0\nALTER TABLE a DROP COLUMN b;", 0),
        ("-- unused since v0.4.0\nALTER TABLE a DROP COLUMN b;", 1),
    ],
)
def test_the_rule_itself(sql: str, wrong: int) -> None:
    assert len(problems(sql, (0, 3, 0))) == wrong
