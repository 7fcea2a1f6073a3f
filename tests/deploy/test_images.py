"""The images hold what their role imports and no more, and run with a read-only root as user 10001."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.deploy.conftest import ROLES, Engine

# Megabytes, uncompressed. Of the two with Polars its one library alone has 138.
MOST_MEGABYTES = {
    "upload": 250, "orchestrator": 420, "processor": 420, "status": 135, "web": 110, "gateway": 215,
    "admin": 150, "emulator": 115,
}  # fmt: skip
IMPORTS = {
    "upload": "ingestor.services.upload.bootstrap, ingestor.services.upload.converter.bootstrap",
    "orchestrator": "ingestor.services.orchestrator.bootstrap, polars, jsonschema_rs",
    "processor": "ingestor.services.processor.bootstrap, polars, jsonschema_rs",
    "status": "ingestor.services.status.bootstrap",
    "web": "ingestor.web.app",
    "gateway": "ingestor.gateway.envoy",
    "admin": "ingestor.provisioning.database",
    "emulator": "ministack.app",
}
# What an image must not have: programs to look around with, and to install more.
LOOK = """
import importlib.util, json, os, shutil
print(json.dumps({
    "programs": [p for p in ("sh", "bash", "dash", "apt", "dpkg", "pip", "gcc", "perl") if shutil.which(p)],
    "modules": [m for m in ("pip", "setuptools", "ensurepip", "pytest") if importlib.util.find_spec(m)],
    "user": [os.getuid(), os.getgid()],
    "writable": [d for d in ("/", "/opt/ingestor", "/usr", "/etc") if os.access(d, os.W_OK)],
    "private": [f for f in ("/etc/pip.conf", "/root") if os.path.exists(f)],
}))
"""


def hardened(engine: Engine, image: str, code: str) -> str:
    """What some Python prints in a container of the image, with as few rights as deploy/ gives it."""
    return engine.run(
        "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none",
        "--security-opt", "no-new-privileges", "--entrypoint", "python", image, "-c", code,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_it_has_what_it_imports_and_no_tools(engine: Engine, images: Mapping[str, str], role: str) -> None:
    hardened(engine, images[role], f"import {IMPORTS[role]}")
    assert json.loads(hardened(engine, images[role], LOOK)) == {
        "programs": [], "modules": [], "user": [10001, 10001], "writable": [], "private": [],
    }  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_its_size_and_labels(engine: Engine, images: Mapping[str, str], role: str) -> None:
    found = engine.inspect(images[role])
    assert found["Size"] / 1e6 <= MOST_MEGABYTES[role]
    labels = {
        name.removeprefix("org.opencontainers.image."): text
        for name, text in found["Config"]["Labels"].items()
    }
    assert labels["title"] == f"ingestor-{role}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] != "0.0.0"
    assert len(labels["revision"]) == 40
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["StopSignal"] == "SIGTERM"
    assert found["Config"]["Entrypoint"][0] in {"python", "ingestor", "ministack"}


@pytest.mark.parametrize("role", ["upload", "orchestrator", "processor", "status"])
def test_a_missing_setting_is_one_line(engine: Engine, images: Mapping[str, str], role: str) -> None:
    done = engine.run("run", "--rm", "--read-only", "--tmpfs", "/tmp", images[role], check=False)
    assert done.returncode == 2
    assert "INGESTOR_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_pruned_libraries_still_work(engine: Engine, images: Mapping[str, str]) -> None:
    code = """
import io, numpy as np, polars as pl, pyarrow.compute as pc, pyarrow.csv as csv, zstandard, jsonschema_rs
import botocore.session
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
table = csv.read_csv(io.BytesIO(b"a,b\\n1,x\\n2,y\\n"))
assert pc.sum(table["a"]).as_py() == 3
assert pl.from_arrow(table).select(pl.col("a") * 2).to_series().to_list() == [2, 4]
assert np.linalg.det(np.eye(3)) == 1
assert zstandard.decompress(zstandard.compress(b"x" * 100)) == b"x" * 100
assert jsonschema_rs.validator_for({"type": "integer"}).is_valid(1)
session = botocore.session.get_session()
for service in ("sqs", "s3", "sts", "rds"):
    session.create_client(service, region_name="eu-central-1", **keys)
"""
    hardened(engine, images["processor"], code)
    code = """
import io, pyarrow as pa, pyarrow.parquet as pq
file = io.BytesIO()
pq.write_table(pa.table({"id": [1, 2]}), file, compression="zstd")
assert pq.ParquetFile(file).read().num_rows == 2
"""
    hardened(engine, images["upload"], code)
