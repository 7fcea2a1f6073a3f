"""`up`, `down`, `env` as a user meets them: data that survives, servers of one's own, clear refusals."""

from __future__ import annotations

import base64
import gzip
import http.client
import random
import socket
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.local.ports import free_port
from tests.e2e.conftest import Suite, ingestor, running
from tests.e2e.tables import write_pipeline, write_readings


async def test_data_survives_down_and_up(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as suite:
        pipeline = write_pipeline(tmp_path, "kept")
        answer = suite.ingest(write_readings(tmp_path / "r.csv", 500), "--pipeline", str(pipeline))
    ingestor("env", data=data, status=1)  # nothing runs any more
    with running(data) as suite:
        again = suite.json("status", answer["process_id"])
        assert (again["state"], again["counts"]) == ("COMPLETED", answer["counts"])
        assert await suite.fetch("SELECT count(*) FROM kept") == [(500,)]
        assert [found["name"] for found in suite.json("pipelines", "list")["pipelines"]] == ["kept"]


async def test_an_external_postgres_is_used_instead(elsewhere: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "elsewhere")
    elsewhere.ingest(write_readings(tmp_path / "r.csv", 500), "--pipeline", str(pipeline))
    assert await elsewhere.fetch("SELECT count(*) FROM elsewhere") == [(500,)]
    assert not (elsewhere.data / "postgres").exists()


def test_a_second_suite_in_the_same_folder_is_refused(suite: Suite) -> None:
    done = ingestor("up", "--detach", "--gateway-port", str(free_port()), data=suite.data, status=1)
    assert "already" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ingestor("up", "--detach", "--gateway-port", str(port), data=tmp_path / "data", status=1)
    assert str(port) in done.stderr
    assert "--gateway-port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "dsn", ["postgresql://nobody:wrong@127.0.0.1:1/none", "not a dsn", "postgresql://[::1"]
)
def test_a_wrong_dsn_is_said_in_one_line(tmp_path: Path, dsn: str) -> None:
    done = ingestor(
        "up", "--detach", "--gateway-port", str(free_port()),
        data=tmp_path / "data", env={"INGESTOR_DATABASE_URL": dsn}, status=1,
    )  # fmt: skip
    assert "INGESTOR_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "wrong" not in done.stderr.replace("wrong DSN", "")  # the password


def test_commands_without_a_suite_say_so(tmp_path: Path) -> None:
    for command in (["env"], ["status", "00000000-0000-4000-8000-000000000000"]):
        done = ingestor(
            *command, data=tmp_path / "nothing", env={"INGESTOR_ADDRESS": "127.0.0.1:1"}, status=1
        )
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr
    ingestor("down", data=tmp_path / "nothing")  # nothing to stop is no error


async def test_files_in_s3(elsewhere: Suite, tmp_path: Path) -> None:
    """Nothing is on the disk of a service, and a record too large for a message stays in the bucket."""
    pipeline = write_pipeline(tmp_path, "in_s3")
    source = write_readings(tmp_path / "r.csv", 400_000)
    assert source.stat().st_size > 16 * 2**20  # several segments
    elsewhere.ingest(source, "--pipeline", str(pipeline))
    assert await elsewhere.fetch("SELECT count(*) FROM in_s3") == [(400_000,)]
    wide = tmp_path / "wide.csv"
    noise = base64.b64encode(random.Random(1).randbytes(9 * 2**20)).decode()
    wide.write_text(f"id,name\n1,{noise}\n2,x\n")
    process = elsewhere.ingest(wide)["process_id"]
    found = await elsewhere.fetch(
        "SELECT length(data->>'name') FROM ingested_rows WHERE _process_id = $1::uuid ORDER BY 1", process
    )
    assert found == [(1,), (len(noise),)]
    packed = tmp_path / "r.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()[: 2 * 2**20].rpartition(b"\n")[0]))
    assert elsewhere.ingest(packed)["state"] == "COMPLETED"
    assert not any((elsewhere.data / "files").rglob("*-*"))


def test_the_suite_works_without_a_built_page(elsewhere: Suite) -> None:
    assert "the page is not built" in elsewhere.said
    assert "the page:" not in elsewhere.said
    assert elsewhere.json("env")["page"] is None
    with closing(http.client.HTTPConnection(elsewhere.gateway, timeout=30)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (404, b"The page is not built.\n")
    assert "processes" in elsewhere.json("processes")
