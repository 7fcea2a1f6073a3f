"""deploy/compose for real: the suite comes up, ingests the sample, and keeps its data over a restart."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from tests.deploy.conftest import Engine
from tests.deploy.project import EXPECTED, JOBS, ROLES, Project, running


@pytest.fixture(scope="module")
def project(
    engine: Engine, images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The suite, up."""
    others = {"postgres:17-bookworm": "compose"}
    with running(engine, tmp_path_factory.mktemp("compose"), images=others) as started:
        yield started


def test_the_sample_has_its_counts(project: Project) -> None:
    _, counts = project.ingest()
    assert counts == EXPECTED


def test_the_page_and_whom_it_answers(project: Project) -> None:
    page = f"http://localhost:{project.ports['gateway']}"
    with urllib.request.urlopen(f"{page}/", timeout=30) as answer:
        assert b"<!doctype html>" in answer.read().lower()
    with urllib.request.urlopen(f"{page}/config.json", timeout=30) as answer:
        assert json.load(answer) == {"auth": "local"}
    # A page of elsewhere whose name points to this machine is refused.
    other = urllib.request.Request(f"{page}/", headers={"host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(other, timeout=30)


def test_every_container_has_few_rights(project: Project) -> None:
    found = project.containers()
    assert set(found) == ROLES | JOBS
    for name, one in found.items():
        project.has_few_rights(name, one)
        assert one["State"]["ExitCode"] == 0, name
        assert one["State"]["Running"] == (name not in JOBS), name


def test_check_finds_nothing_wrong(project: Project) -> None:
    """Database, rights, queues, store, clocks and releases are as they should be; else its status is 1."""
    found = project.compose("run", "--rm", "check")
    assert "running services" in found, found
    assert "PROBLEM" not in found, found


def test_what_was_loaded_survives(project: Project) -> None:
    process, counts = project.ingest()
    project.down()
    project.up()
    with project.client() as client:
        found = client.process(process)
        assert {name: getattr(found.counts, name) for name in counts} == counts
    assert project.ingest()[1]["read"] == EXPECTED["read"]
