"""Browsers at the gateway: pages of which origins may call it, and under which names it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

_POLICY = "envoy.filters.http.cors"
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_REFUSED = (
    "Nobody has to sign in to this suite, so it answers under the names of this machine only: call "
    "localhost, start it with --auth, or name the host in INGESTOR_GATEWAY_HOSTS."
)
_UNKNOWN_HOST = (
    "The suite does not answer under this name; INGESTOR_GATEWAY_HOSTS of the gateway lists its names."
)
_PORT = re.compile(r":\d+$")


def allow_origins(config: dict[str, Any], origins: Sequence[str]) -> None:
    """Let pages of these origins call the gateway, in place, and no others. Tokens are in the header
    `authorization`, so no cookies are allowed."""
    for routes in _routes(config):
        for host in routes["virtual_hosts"]:
            host["typed_per_filter_config"][_POLICY]["allow_origin_string_match"] = [
                {"exact": origin} for origin in origins
            ]


def answer_to_this_machine(
    config: dict[str, Any], hosts: Sequence[str], origins: Sequence[str], *, loopback: bool = True
) -> None:
    """Listen on loopback, and answer only calls to localhost, or to one of the hosts or that of one of the
    origins, in place. So a page of elsewhere that lets its own name point to this machine (DNS rebinding)
    cannot call a suite without sign-in. Without `loopback` the port of a container is published on loopback
    instead."""
    if loopback:
        (listener,) = config["static_resources"]["listeners"]
        listener["address"]["socket_address"]["address"] = "127.0.0.1"
    named = [urlsplit(origin).netloc for origin in origins]
    _answer(config, [*_domains((*_OWN_NAMES, *hosts)), *named], _REFUSED)


def answer_to_hosts(config: dict[str, Any], hosts: Sequence[str]) -> None:
    """Answer only calls to one of these hosts, in place."""
    _answer(config, _domains(hosts), _UNKNOWN_HOST)


def _domains(hosts: Sequence[str]) -> list[str]:
    """A host without a port is meant with any."""
    found = []
    for host in hosts:
        found.append(host)
        if not _PORT.search(host):
            found.append(f"{host}:*")
    return found


def _answer(config: dict[str, Any], domains: Sequence[str], refused: str) -> None:
    for routes in _routes(config):
        (host,) = routes["virtual_hosts"]
        host["domains"] = list(dict.fromkeys(domains))
        refusal = {"status": 403, "body": {"inline_string": f"{refused}\n"}}
        others = [{"match": {"prefix": "/"}, "direct_response": refusal}]
        routes["virtual_hosts"].append({"name": "elsewhere", "domains": ["*"], "routes": others})


def _routes(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        yield chain["filters"][-1]["typed_config"]["route_config"]
