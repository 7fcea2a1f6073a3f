"""The Dockerfiles, and the locks that they install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "deploy" / "images"
DOCKERFILES = sorted(IMAGES.rglob("Dockerfile"))
HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    done = subprocess.run([HADOLINT, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def lock(name: str) -> dict[str, str]:
    """Package -> version of a lock, each of which must have a hash."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ \\]+)", text, re.MULTILINE))
    assert text.count("--hash=sha256:") >= len(found) > 0
    return found


@pytest.mark.parametrize("name", re.findall(r"requirements/(\w+)\.txt", (IMAGES / "Dockerfile").read_text()))
def test_an_image_has_the_versions_with_which_everything_is_tested(name: str) -> None:
    tested = lock("dev")
    assert {
        package: (v, tested.get(package)) for package, v in lock(name).items() if tested.get(package) != v
    } == {}


def test_each_extra_of_an_image_is_in_its_lock() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    def names(extra: str) -> set[str]:
        found = set[str]()
        for requirement in extras[extra]:
            own = re.fullmatch(r"data-ingestor\[(.*)\]", requirement)
            if own:
                found |= set().union(*(names(part) for part in own.group(1).split(",")))
            else:
                found.add(re.split(r"[\[><=]", requirement)[0])
        return found

    for extra in ("upload", "orchestrator", "processor", "status", "web", "envoy", "admin", "emulator"):
        assert names(extra) <= set(lock(extra)), extra


def test_each_image_ends_as_nobody_in_particular() -> None:
    stages = re.split(r"^FROM ", (IMAGES / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    final = [stage for stage in stages if stage.startswith("runtime AS ")]
    assert len(final) == 8
    (runtime,) = [stage for stage in stages if stage.startswith("scratch AS runtime")]
    assert "USER 10001:10001" in runtime
    for stage in final:
        assert "USER" not in stage
        assert re.search(r'^ENTRYPOINT \["', stage, re.MULTILINE), stage
