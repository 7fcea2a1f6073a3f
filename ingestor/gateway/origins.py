"""Browsers at the gateway: pages of which origins may call it, and under which names it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

_POLICY = "envoy.filters.http.cors"
_THIS_MACHINE = {"safe_regex": {"regex": r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"}}
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_REFUSED = (
    "Nobody has to sign in to this suite, so it answers under the names of this machine only: call "
    "localhost, start it with --auth, or name the origin in INGESTOR_CORS_ORIGINS."
)


def allow_origins(config: dict[str, Any], origins: Sequence[str], *, this_machine: bool) -> None:
    """Let pages of these origins call the gateway, in place; with `this_machine` those of any port of
    localhost too. Tokens are in the header `authorization`, so no cookies are allowed."""
    named: list[dict[str, Any]] = [{"exact": origin} for origin in origins]
    allowed = [_THIS_MACHINE, *named] if this_machine else named
    for routes in _routes(config):
        for host in routes["virtual_hosts"]:
            host["typed_per_filter_config"][_POLICY]["allow_origin_string_match"] = allowed


def answer_to_this_machine(config: dict[str, Any], origins: Sequence[str], *, loopback: bool = True) -> None:
    """Listen on loopback, and answer only calls to localhost or to the host of one of the origins, in place.
    So a page of elsewhere that lets its own name point to this machine (DNS rebinding) cannot call a suite
    without sign-in. Without `loopback` the port of a container is published on loopback instead."""
    if loopback:
        (listener,) = config["static_resources"]["listeners"]
        listener["address"]["socket_address"]["address"] = "127.0.0.1"
    domains = [*_OWN_NAMES, *(f"{name}:*" for name in _OWN_NAMES)]
    domains += [host for host in (urlsplit(origin).netloc for origin in origins) if host not in domains]
    for routes in _routes(config):
        (host,) = routes["virtual_hosts"]
        host["domains"] = domains
        refusal = {"status": 403, "body": {"inline_string": f"{_REFUSED}\n"}}
        others = [{"match": {"prefix": "/"}, "direct_response": refusal}]
        routes["virtual_hosts"].append({"name": "elsewhere", "domains": ["*"], "routes": others})


def _routes(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        yield chain["filters"][-1]["typed_config"]["route_config"]
