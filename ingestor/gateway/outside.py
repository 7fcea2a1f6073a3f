"""Hosts outside of the suite that the gateway asks: the issuer of tokens, the collector of traces."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import SplitResult

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def outside_cluster(
    name: str, url: SplitResult, *, port: int, connect_timeout: str, http2: bool = False
) -> dict[str, Any]:
    """The cluster of a host; `port` is for a URL without one. With https the host's certificate must be that
    of an authority which the services trust too."""
    address = {"address": url.hostname, "port_value": url.port or port}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": connect_timeout,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}],
        },
    }
    if http2:
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    if url.scheme == "https":
        names = [{"san_type": "DNS", "matcher": {"exact": url.hostname}}]
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": url.hostname,
                "common_tls_context": {
                    **({"alpn_protocols": ["h2"]} if http2 else {}),
                    "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                    "validation_context": {**_authorities(), "match_typed_subject_alt_names": names},
                },
            },
        }
    return cluster


def _authorities() -> dict[str, Any]:
    """The certificate authorities that the services trust too: those of SSL_CERT_FILE, else the system's."""
    file = os.environ.get("SSL_CERT_FILE")
    return {"trusted_ca": {"filename": file}} if file else {"system_root_certs": {}}
