"""Which calls are repeated, by whom and when: made of the option `idempotency_level` of each method in
protos/."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from ingestor.access.roles import PUBLIC_FILES

_PREVIOUS_HOSTS = "envoy.retry_host_predicates.previous_hosts"
# The call has not reached a service, so that any may be sent again.
_NOT_SENT = "connect-failure,refused-stream,reset-before-request"
# It may have: nothing came back, or the answer is that the instance cannot serve now, or gave the call up.
_WITHOUT_RESULT = f"{_NOT_SENT},reset,unavailable,cancelled"


def public_methods() -> Iterator[MethodDescriptor]:
    """Every method of the public contract."""
    for file in PUBLIC_FILES:
        for service in file.services_by_name.values():
            yield from service.methods


def is_idempotent(method: MethodDescriptor) -> bool:
    """Whether a call that was sent twice does what it does once."""
    return method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN


def repeat_calls(config: dict[str, Any]) -> None:
    """Have Envoy repeat calls at another instance, in place: any call that has not reached a service, and
    those that are idempotent also without a result. Each method gets a route of its own; where it leads, and
    for how long, stays as it is in gateway/envoy.yaml."""
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        (host,) = chain["filters"][-1]["typed_config"]["route_config"]["virtual_hosts"]
        known = host["routes"]
        own = []
        for method in public_methods():
            path = f"/{method.containing_service.full_name}/{method.name}"
            route = copy.deepcopy(next(route["route"] for route in known if _matches(route["match"], path)))
            route["retry_policy"] = _policy(_WITHOUT_RESULT if is_idempotent(method) else _NOT_SENT)
            own.append({"match": {"path": path}, "route": route})
        rest = [route for route in known if "prefix" in route["match"]]  # methods of newer services, the page
        for route in rest:
            if "cluster" in route.get("route", ()) and "retry_policy" not in route["route"]:
                route["route"]["retry_policy"] = _policy(_NOT_SENT)
        host["routes"] = own + rest


def _matches(match: dict[str, Any], path: str) -> bool:
    if "path" in match:
        return bool(match["path"] == path)
    if "safe_regex" in match:
        return re.fullmatch(match["safe_regex"]["regex"], path) is not None
    return path.startswith(match["prefix"])


def _policy(retry_on: str) -> dict[str, Any]:
    predicates = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": retry_on,
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
        "retry_host_predicate": [{"name": _PREVIOUS_HOSTS, "typed_config": {"@type": predicates}}],
        "host_selection_retry_max_attempts": 3,
    }


def service_config() -> dict[str, Any]:
    """The policy for a gRPC client of the gateway, as its channel takes it (gRPC service config)."""
    names = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in public_methods()
        if is_idempotent(method)
    ]
    return {
        "methodConfig": [
            {
                "name": names,
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "3s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
