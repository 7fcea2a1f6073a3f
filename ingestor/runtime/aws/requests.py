"""Counts what AWS is asked, which is what it charges for."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter


class AwsRequests:
    """Counts requests of clients by service and operation, repeated ones too."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "ingestor_aws_requests_total", "Requests to AWS.", ["service", "operation"], registry=registry
        )

    def observe(self, client: Any) -> None:
        """Count the requests of a client of aiobotocore from now on."""
        service = client.meta.service_model.service_name

        def count(event_name: str, **_: Any) -> None:
            self._count.labels(service, event_name.rpartition(".")[2]).inc()

        client.meta.events.register(f"request-created.{service}", count)
