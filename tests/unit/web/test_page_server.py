"""The page server as a browser meets it: a process of its own, with a small page."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import brotli
import pytest

from ingestor.local.children import wait_ready
from ingestor.web.app import SECURITY_HEADERS
from ingestor.web.page import compress, find_page

SCRIPT = "/assets/index-BmtY6uG8.js"
CODE = b"console.log('the page');\n" * 200
INDEX = b'<!doctype html><script type="module" src="/assets/index-BmtY6uG8.js"></script>\n' * 20


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / ".vite").mkdir()
    (folder / "index.html").write_bytes(INDEX)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-BmtY6uG8.js").write_bytes(CODE)
    (folder / "assets" / "inter.woff2").write_bytes(b"font" * 1000)
    (folder / ".vite" / "manifest.json").write_text("{}")
    return folder


@contextmanager
def serving(page: Path, log: Path, **settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A running server with further settings: its port, and its process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingestor.web"],
            env={
                **os.environ,
                "INGESTOR_LISTEN": "127.0.0.1:0",
                "INGESTOR_PAGE_DIR": str(page),
                "INGESTOR_LOG_FORMAT": "json",
                **{f"INGESTOR_{name}": value for name, value in settings.items()},
            },
            stderr=output,
        )

    def told() -> list[dict[str, object]]:
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    try:
        wait_ready(process, lambda: any("port" in line for line in told()), what="the page server", log=log)
        (port,) = (int(str(line["port"])) for line in told() if "port" in line)
        yield port, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running server."""
    with serving(page, tmp_path_factory.mktemp("log") / "web.log") as (found, _):
        yield found


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer, which has the security headers whatever it is."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(
            method, path, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        assert found.items() >= SECURITY_HEADERS.items()
        assert "server" not in found
        assert "access-control-allow-origin" not in found
        return answer.status, found, answer.read()


def test_the_policy_allows_the_page_itself_and_nothing_else() -> None:
    policy = dict(part.split(" ", 1) for part in SECURITY_HEADERS["content-security-policy"].split("; "))
    assert policy.pop("img-src") == "'self' data:"
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy.pop(name) == "'none'"
    assert set(policy) == {"script-src", "style-src", "font-src", "connect-src", "worker-src"}
    assert set(policy.values()) == {"'self'"}


def test_where_nobody_signs_in_the_page_is_told_so(port: int) -> None:
    _, headers, body = ask(port, "/config.json")
    assert (headers["content-type"], headers["cache-control"]) == ("application/json", "no-store")
    assert json.loads(body) == {"auth": "local"}


def test_the_page_is_told_where_people_sign_in_and_may_connect_there(page: Path, tmp_path: Path) -> None:
    settings = {
        "AUTH": "required",
        "OIDC_ISSUER": "https://issuer.example/realms/one",
        "PAGE_CLIENT_ID": "the-page",
        "PAGE_CONNECT_ORIGINS": "https://tokens.example",
    }
    with (
        serving(page, tmp_path / "web.log", **settings) as (port, _),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/config.json", timeout=30) as answer,
    ):
        assert json.load(answer) == {
            "auth": "oidc",
            "issuer": "https://issuer.example/realms/one",
            "clientId": "the-page",
            "scope": "openid profile offline_access",
            "commandLineClientId": "ingestor-cli",
        }
        policy = answer.headers["content-security-policy"].split("; ")
    assert "connect-src 'self' https://issuer.example https://tokens.example" in policy
    assert {*SECURITY_HEADERS["content-security-policy"].split("; ")} - {*policy} == {"connect-src 'self'"}


def test_a_page_that_cannot_sign_anybody_in_is_not_served(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestor.web"],
        env={**os.environ, "INGESTOR_PAGE_DIR": str(page), "INGESTOR_AUTH": "required"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "set INGESTOR_OIDC_ISSUER" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("path", ["/", "/index.html", "/processes", "/processes/0193?filter=a.b", "/a/b/c/"])
def test_the_pages_own_paths_get_the_index(port: int, path: str) -> None:
    status, headers, body = ask(port, path)
    assert (status, body) == (200, INDEX)
    assert headers["cache-control"] == "no-cache"
    assert headers["content-type"].startswith("text/html")
    again = ask(port, path, if_none_match=headers["etag"])
    assert (again[0], again[2]) == (304, b"")


def test_what_is_named_by_its_content_is_kept(port: int) -> None:
    status, headers, body = ask(port, SCRIPT)
    assert (status, body) == (200, CODE)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"].startswith("text/javascript")
    assert ask(port, "/favicon.svg")[1]["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "coding", "decode"),
    [("gzip, deflate, br, zstd", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress)],
)
def test_what_can_be_compressed_is(port: int, accepted: str, coding: str, decode: object) -> None:
    for path, whole in ((SCRIPT, CODE), ("/", INDEX)):
        _, headers, body = ask(port, path, accept_encoding=accepted)
        assert (headers["content-encoding"], headers["vary"].lower()) == (coding, "accept-encoding")
        assert callable(decode)
        assert decode(body) == whole
        assert len(body) < len(whole) / 5
    assert "content-encoding" not in ask(port, "/assets/inter.woff2", accept_encoding=accepted)[1]
    assert "content-encoding" not in ask(port, SCRIPT, accept_encoding="br;q=0")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone.js", "/assets/gone", "/robots.txt", "/.vite/manifest.json",
        "/assets/../../etc/passwd.x", "/%2e%2e/%2e%2e/etc/passwd.txt", SCRIPT + ".map",
    ],
)  # fmt: skip
def test_files_that_are_not_there(port: int, path: str) -> None:
    status, headers, _ = ask(port, path)
    assert (status, headers["cache-control"]) == (404, "no-store")


def test_no_path_leads_out_of_the_folder(port: int) -> None:
    for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/assets//etc/passwd"):
        status, _, body = ask(port, path)
        assert status == 404 or body == INDEX


def test_head_has_no_body(port: int) -> None:
    for path in ("/", SCRIPT, "/healthz", "/gone.js"):
        assert ask(port, path, "HEAD")[2] == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_sent(port: int, method: str) -> None:
    for path in ("/", SCRIPT, "/ingestor.v1.StatusService/GetProcess", "/healthz"):
        status, headers, _ = ask(port, path, method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_health(port: int) -> None:
    status, headers, body = ask(port, "/healthz")
    assert (status, headers["cache-control"], body) == (200, "no-store", b"ok\n")


def test_one_that_leaves_is_alive_and_answers_but_is_not_ready(page: Path, tmp_path: Path) -> None:
    probes = ("/livez", "/readyz", "/healthz", "/")
    with serving(page, tmp_path / "web.log", LAME_DUCK_SECONDS="60", AUTH="local") as (port, process):
        assert [ask(port, path)[0] for path in probes] == [200, 200, 200, 200]
        process.send_signal(signal.SIGTERM)
        wait_ready(process, lambda: ask(port, "/readyz")[0] == 503, what="leaving", log=tmp_path / "web.log")
        assert [ask(port, path)[0] for path in probes] == [200, 503, 503, 200]
        process.send_signal(signal.SIGTERM)  # and now at once
        assert process.wait(20) == 1


def test_sigterm_ends_it_cleanly(page: Path, tmp_path: Path) -> None:
    """Also when a browser keeps its connection open; and it can be built anew meanwhile."""
    with (
        serving(page, tmp_path / "web.log") as (port, process),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        connection.request("GET", "/")
        assert connection.getresponse().read() == INDEX
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not list(page.rglob("*.br"))  # nothing was written into the page's own folder


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "nowhere"])
def test_what_is_wrong_is_said(tmp_path: Path, page: Path, listen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestor.web"],
        env={
            **os.environ,
            "INGESTOR_PAGE_DIR": str(page if listen == "nowhere" else tmp_path),
            "INGESTOR_LISTEN": listen,
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert (listen if listen == "nowhere" else str(tmp_path)) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_an_index_is_no_page(tmp_path: Path, page: Path) -> None:
    assert find_page(str(tmp_path)) is None
    assert find_page(str(page)) == page


def test_what_is_compressed_already_is_not_again(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(INDEX)
    compress(tmp_path)
    variant = tmp_path / "index.html.br"
    assert brotli.decompress(variant.read_bytes()) == INDEX
    before = variant.stat().st_ino, variant.stat().st_ctime_ns
    compress(tmp_path)
    assert (variant.stat().st_ino, variant.stat().st_ctime_ns) == before
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "index.html").write_bytes(INDEX * 2)
    os.utime(tmp_path / "index.html", (1, 1))
    compress(tmp_path)
    assert brotli.decompress(variant.read_bytes()) == INDEX * 2
