"""The compose of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def compose_command() -> list[str]:
    """The command's first words; skips the test without one."""
    plugin = ["docker", "compose"]
    if shutil.which("docker"):
        found = subprocess.run([*plugin, "version"], capture_output=True, check=False)
        if found.returncode == 0:
            return plugin
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose is installed")


def compose_environment() -> dict[str, str]:
    """The variables of this process without those that compose.yaml reads."""
    read = ("INGESTOR_", "COMPOSE_", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(read)}
