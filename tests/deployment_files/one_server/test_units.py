"""The systemd units: systemd reads them without a warning, and lets each do little."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingestor.provisioning.names import SERVICES, role_of

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 20  # tenths; without any hardening a unit has 96

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that is here."""
    copy = tmp_path / "units"
    shutil.copytree(FOLDER, copy)
    for path in copy.glob("*.service"):
        path.write_text(path.read_text().replace("/opt/ingestor/bin/python", sys.executable))
    return copy


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on these units."""
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *arguments],
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin"},
        cwd=units, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_there_is_a_unit_for_each_role() -> None:
    modules = {
        match.group(1) for path in UNITS if (match := re.search(r"-m (ingestor\.[\w.]+)", path.read_text()))
    }
    services = {f"ingestor.services.{name}" for name in ("upload", "orchestrator", "processor", "status")}
    assert modules == services | {
        "ingestor.services.upload.converter", "ingestor.web", "ingestor.gateway",
    }  # fmt: skip


def test_ports_are_those_that_the_settings_name() -> None:
    settings = dict(
        line.split("=", 1)
        for line in (FOLDER / "ingestor.env").read_text().splitlines()
        if line[:1].isalpha()
    )
    for name in ("upload", "converter", "orchestrator", "processor", "status", "web"):
        listens = re.search(r"INGESTOR_LISTEN=(\S+)", (FOLDER / f"ingestor-{name}.service").read_text())
        assert listens is not None
        assert settings[f"INGESTOR_{name.upper()}_ADDRESS"] == listens.group(1)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_reads_it(unit: Path, units: Path) -> None:
    name = unit.name.replace("@.", "@1.")
    done = analyze(units, "verify", "--man=no", name)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "ingestor" in line]
    assert not said


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_it_may_do_little(unit: Path, units: Path) -> None:
    name = unit.name.replace("@.", "@1.")
    done = analyze(units, "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}", name)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@pytest.mark.parametrize("folder", ["systemd", "compose"])
def test_services_log_in_as_the_roles_that_are_provisioned(folder: str) -> None:
    files = [*FOLDER.glob("*.service"), *(ROOT / "deploy" / "compose").glob("*.yaml")]
    text = "\n".join(path.read_text() for path in files if path.parent.name == folder)
    found = set(re.findall(r"INGESTOR_DATABASE_URL[=:] ?postgresql://(\w+)@", text))
    assert found == {role_of(service) for service in SERVICES}
