"""The pure parts of the suite on one machine."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ingestor.cli.suite import _runs
from ingestor.gateway.render import template
from ingestor.local import children
from ingestor.local.children import last_line, spawn, stop, wait_ready
from ingestor.local.envoy import render
from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.ports import free_port, is_free
from ingestor.local.supervision.supervisor import Backoff

ADDRESSES = {
    name: [f"127.0.0.1:{5000 + at}", f"127.0.0.1:{6000 + at}"]
    for at, name in enumerate(["upload", "orchestrator", "processor", "status", "web"])
}


def test_a_suite_that_nobody_has_waited_for_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        process = psutil.Process(started.pid)
        assert _runs(process)
        assert started.stdin is not None
        started.stdin.close()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert not _runs(process)
    assert not _runs(process)


def test_a_preferred_port_is_taken_when_it_is_free() -> None:
    port = free_port()
    assert port < 32_768  # no connection to elsewhere gets it
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert free_port(port) != port


def test_the_gateway_configuration_gets_this_machines_addresses() -> None:
    config = render(template().read_text("utf-8"), port=8123, admin_port=8124, clusters=ADDRESSES)
    (listener,) = config["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8123}
    assert config["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8124}
    found = {}
    for cluster in config["static_resources"]["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        places = [each["endpoint"]["address"]["socket_address"] for each in group["lb_endpoints"]]
        found[cluster["name"]] = [f"{place['address']}:{place['port_value']}" for place in places]
    assert found == ADDRESSES


def test_without_a_page_there_is_none() -> None:
    services = {name: address for name, address in ADDRESSES.items() if name != "web"}
    config = render(template().read_text("utf-8"), port=1, admin_port=2, clusters=services)
    assert {cluster["name"] for cluster in config["static_resources"]["clusters"]} == set(services)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    last = manager["route_config"]["virtual_hosts"][0]["routes"][-1]
    assert (last["match"], last["direct_response"]["status"]) == ({"prefix": "/"}, 404)
    assert "route" not in last


def test_a_cluster_without_an_address_is_an_error() -> None:
    with pytest.raises(KeyError):
        render(template().read_text("utf-8"), port=1, admin_port=2, clusters={"upload": ["127.0.0.1:1"]})


def test_only_one_suite_holds_a_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.prepare(0)
    with folder.lock(), pytest.raises(SuiteError, match="already running"), Folder(tmp_path).lock():
        pass
    with folder.lock():
        pass


def test_logs_and_files_are_private(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new")
    folder.prepare(0)
    log = folder.logs / "child.log"
    spawn([sys.executable, "-c", ""], log=log).wait()
    modes = [path.stat().st_mode & 0o777 for path in (folder.path, folder.logs, folder.files, log)]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_what_an_earlier_version_has_left_open_is_closed(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    for path in (folder.path, folder.logs, folder.files):
        path.mkdir()
        path.chmod(0o745)
    (folder.path / "lock").touch()
    log = folder.logs / "status.log"
    log.touch(mode=0o644)
    folder.prepare(0)
    modes = [path.stat().st_mode & 0o777 for path in (folder.path, folder.logs, folder.files, log)]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_a_folder_of_the_users_own_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Folder(tmp_path).prepare(0)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_log_does_not_grow_for_ever_while_its_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LOG_BYTES", 10_000)
    log, old = tmp_path / "child.log", tmp_path / "child.log.1"
    code = "import itertools, sys\nfor n in itertools.count(): sys.stderr.write(f'{n}\\n'); sys.stdin.read(0)"
    child = spawn([sys.executable, "-u", "-c", code], log=log)
    try:
        for _ in range(3):
            wait_ready(child, lambda: log.stat().st_size > 20_000, what="child", log=log)
            children.rotate(log)
            assert old.stat().st_size == 10_000
            assert old.stat().st_mode & 0o777 == 0o600
    finally:
        child.kill()
        child.wait()
    assert log.stat().st_blocks * 512 <= log.stat().st_size + 8192, "it has no hole at its beginning"


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="GiB free and needs"):
        Folder(tmp_path / "new").prepare(2**60)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SuiteError, match="cannot be used"):
        Folder(tmp_path / "file" / "data").prepare(0)


def test_passwords_stay_and_are_private(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    first = folder.password("upload")
    assert Folder(tmp_path).password("upload") == first
    assert folder.password("status") != first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_state_is_that_of_a_living_process(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.state() is None
    me = psutil.Process()
    folder.save_state({"pid": os.getpid(), "pid_started": me.create_time(), "gateway": "x"})
    found = folder.state()
    assert found is not None
    assert found["gateway"] == "x"
    folder.save_state({"pid": os.getpid(), "pid_started": me.create_time() - 1})  # another's number
    assert folder.state() is None
    folder.forget_state()
    assert folder.state() is None


def test_waits_grow_and_start_afresh_after_a_quiet_minute() -> None:
    backoff = Backoff()
    waits = [backoff.next(now=1000.0 + at) for at in range(8)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert backoff.next(now=2000.0) == 0.2


def test_a_child_that_ends_before_it_is_ready_is_said_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn(["sh", "-c", "echo one; echo the reason; echo; exit 7"], log=log)
    with pytest.raises(SuiteError, match=r"child ended with status 7: the reason"):
        wait_ready(child, lambda: False, what="child", log=log, seconds=20)
    assert last_line(log) == "the reason"


def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn(["sh", "-c", "trap '' TERM; echo ready; while true; do read x < /dev/zero; done"], log=log)
    wait_ready(child, lambda: log.exists() and "ready" in log.read_text(), what="child", log=log)
    stop(child, seconds=0.2)
    assert child.returncode == -9


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "parent.log"
    program = (
        "from pathlib import Path; from ingestor.local.children import spawn; import os, time; "
        f"child = spawn(['sleep', '600'], log=Path({str(tmp_path / 'grandchild.log')!r})); "
        "print(child.pid, flush=True); child.wait()"
    )
    import sys

    parent = spawn([sys.executable, "-c", program], log=log)
    wait_ready(parent, lambda: log.exists() and log.read_text().endswith("\n"), what="parent", log=log)
    grandchild = psutil.Process(int(log.read_text()))
    parent.kill()
    parent.wait()
    grandchild.wait(20)
    assert not grandchild.is_running()
