"""Pages of other origins: which may call the gateway from a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_POLICY = "envoy.filters.http.cors"


def allow_origins(config: dict[str, Any], origins: Sequence[str], *, this_machine: bool) -> None:
    """Let pages of these origins call the gateway, in place; with `this_machine` those of any port of
    localhost too. Tokens are in the header `authorization`, so no cookies are allowed."""
    named: list[dict[str, Any]] = [{"exact": origin} for origin in origins]
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        routes = chain["filters"][-1]["typed_config"]["route_config"]
        for host in routes["virtual_hosts"]:
            policy = host["typed_per_filter_config"][_POLICY]
            of_this_machine = policy["allow_origin_string_match"] if this_machine else []
            policy["allow_origin_string_match"] = [*of_this_machine, *named]
