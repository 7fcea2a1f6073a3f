"""The page at the gateway's port: served, kept apart from calls, and restarted after a crash."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
from contextlib import closing

import psutil

from ingestor.v1 import status_pb2
from tests.e2e.conftest import Suite, wait_until
from tests.e2e.page.browser import Browser
from tests.e2e.page.built_page import CODE, INDEX, SCRIPT

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def get(gateway: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers and body of a response."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(gateway, timeout=30)) as connection:
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_the_page_is_at_the_gateway(suite: Suite) -> None:
    assert suite.facts["page"]["url"] == f"http://{suite.gateway}/"
    for path in ("/", "/processes/1?state=FAILED"):
        status, headers, body = get(suite.gateway, path)
        assert (status, body, headers["cache-control"]) == (200, INDEX, "no-cache")
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
    status, headers, body = get(suite.gateway, SCRIPT, accept_encoding="gzip")
    assert (status, gzip.decompress(body)) == (200, CODE)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get(suite.gateway, SCRIPT, "HEAD")[2] == b""
    assert get(suite.gateway, "/assets/gone.js")[0] == 404
    assert get(suite.gateway, "/", "POST")[0] == 405


def test_an_unknown_call_does_not_return_the_page(suite: Suite) -> None:
    for path in ("/ingestor.v1.StatusService/Nothing", "/ingestor.v2.Other/Get", "/grpc.other.Service/Get"):
        for method in ("GET", "POST"):
            status, headers, body = get(
                suite.gateway, path, method, content_type="application/grpc-web+proto"
            )
            assert status != 200 or headers["grpc-status"] != "0"
            assert INDEX not in body


def test_the_page_server_is_restarted(suite: Suite) -> None:
    pid = suite.json("env")["page"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: (suite.json("env")["page"] or {})["pid"] != pid, "another page server")
    wait_until(lambda: get(suite.gateway, "/")[0] == 200, "the page")
    page = suite.json("env")["page"]
    assert page["restarts"] == 1
    assert psutil.pid_exists(page["pid"])
    # Calls are not affected.
    with closing(http.client.HTTPConnection(suite.gateway, timeout=30)) as connection:
        request = status_pb2.GetProcessRequest(process_id=UNKNOWN)
        _, trailers = Browser(connection).call(
            "StatusService/GetProcess", request, status_pb2.GetProcessResponse
        )
        assert trailers["grpc-status"] == "5"
