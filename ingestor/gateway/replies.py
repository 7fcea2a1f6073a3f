"""What Envoy itself replies to a call that it refuses."""

from __future__ import annotations

import base64
from typing import Any

from ingestor.runtime.errors import ServiceError, to_rpc_status


def reply(condition: str, status: int, error: ServiceError) -> dict[str, Any]:
    """A reply with this HTTP status where a condition (CEL) on the response holds; its details are those that
    errors of the services have."""
    details = base64.b64encode(to_rpc_status(error).SerializeToString()).decode().rstrip("=")
    extensions = "type.googleapis.com/envoy.extensions"
    return {
        "filter": {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": f"{extensions}.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": condition,
                },
            }
        },
        "status_code": status,
        "body_format_override": {"text_format_source": {"inline_string": error.message}},
        "headers_to_add": [
            {
                "header": {"key": "grpc-status-details-bin", "value": details},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }
