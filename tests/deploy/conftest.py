"""What tests of images need: a Docker engine that runs containers, and the images of this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROLES = ("upload", "orchestrator", "processor", "status", "web", "gateway", "admin", "emulator")
TAG = os.environ.get("TAG", "dev")


class Engine:
    """A Docker engine."""

    def run(
        self, *arguments: str | Path, check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker`; with `check` it must succeed."""
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, timeout=seconds
        )
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stdout}\n{done.stderr}"
        return done

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows about a container or an image."""
        found: list[dict[str, Any]] = json.loads(self.run("inspect", name).stdout)
        return found[0]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """A Docker engine that answers; without one the test is skipped."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"no Docker engine answers: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return Engine()


@pytest.fixture(scope="session")
def images(engine: Engine) -> Mapping[str, str]:
    """Role -> image, as `make images` has built them; without them the test is skipped."""
    found = {role: f"ingestor-{role}:{TAG}" for role in ROLES}
    for name in found.values():
        if engine.run("image", "inspect", name, check=False).returncode != 0:
            pytest.skip(f"there is no image {name}; make images builds it")
    return found
