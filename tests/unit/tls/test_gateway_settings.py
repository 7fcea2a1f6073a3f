"""The gateway's TLS as settings make it; Envoy itself says whether it would take it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from ingestor.gateway.envoy import binary
from ingestor.local.tls.ca import LocalCa


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Settings of TLS on both sides."""
    leaf = LocalCa(tmp_path / "ca", ["gateway"]).leaf("gateway", local=True)
    return {
        "INGESTOR_AUTH": "local",
        "INGESTOR_GATEWAY_TLS_CERT": str(leaf.certificate),
        "INGESTOR_GATEWAY_TLS_KEY": str(leaf.key),
        "INGESTOR_TLS_CERT": str(leaf.certificate),
        "INGESTOR_TLS_KEY": str(leaf.key),
        "INGESTOR_TLS_CA": str(leaf.ca),
        "INGESTOR_GATEWAY_SDS_DIR": str(tmp_path / "sds"),
    }


def render(folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m ingestor.gateway` with these settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")}
    return subprocess.run(
        [sys.executable, "-m", "ingestor.gateway"],
        cwd=folder, env={**others, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("without", [(), ("INGESTOR_GATEWAY_TLS_",), ("INGESTOR_TLS_",)])
def test_envoy_takes_each_side_alone_and_both(
    files: dict[str, str], tmp_path: Path, without: tuple[str, ...]
) -> None:
    chosen = {name: value for name, value in files.items() if not name.startswith(without)}
    done = render(tmp_path, chosen)
    assert done.returncode == 0, done.stderr
    resources = yaml.safe_load(done.stdout)["static_resources"]
    from_clients = "transport_socket" in resources["listeners"][0]["filter_chains"][0]
    to_services = {cluster["name"] for cluster in resources["clusters"] if "transport_socket" in cluster}
    assert from_clients == ("INGESTOR_GATEWAY_TLS_" not in without)
    wanted = {"upload", "orchestrator", "processor", "status", "web"}
    assert to_services == (set() if "INGESTOR_TLS_" in without else wanted)
    assert ("strict-transport-security" in done.stdout) == from_clients
    (tmp_path / "envoy.yaml").write_text(done.stdout)
    checked = subprocess.run(
        [binary(), "--mode", "validate", "-c", "envoy.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("INGESTOR_GATEWAY_TLS_KEY", "INGESTOR_GATEWAY_TLS_KEY must be set too"),
        ("INGESTOR_TLS_CA", "INGESTOR_TLS_CA must be set too"),
    ],
)
def test_half_of_the_settings_are_refused(
    files: dict[str, str], tmp_path: Path, missing: str, said: str
) -> None:
    done = render(tmp_path, {name: value for name, value in files.items() if name != missing})
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_named(files: dict[str, str], tmp_path: Path) -> None:
    done = render(tmp_path, {**files, "INGESTOR_TLS_CA": "/nothing/ca.crt"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: INGESTOR_TLS_CA: there is no file /nothing/ca.crt\n"


def test_a_folder_that_cannot_be_made_is_named(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = render(tmp_path, {**files, "INGESTOR_GATEWAY_SDS_DIR": str(tmp_path / "taken" / "sds")})
    assert done.returncode == 1
    assert done.stderr.startswith("error: INGESTOR_GATEWAY_SDS_DIR: ")
    assert done.stderr.count("\n") == 1
