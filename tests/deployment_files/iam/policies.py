"""Reads the policies of deploy/iam, and says whether they allow a call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestor.runtime.aws.queues import QueueNames

FOLDER = Path(__file__).parents[3] / "deploy" / "iam"
BUCKET = "${BUCKET}"
POLICIES: dict[str, list[dict[str, Any]]] = {
    path.stem: json.loads(path.read_text())["Statement"]
    for path in FOLDER.glob("*.json")
    if path.stem not in ("keda-operator", "database")
}

# Operations whose action has another name, or that need more than one: https://docs.aws.amazon.com/service-authorization
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "SendMessageBatch": ("sqs:SendMessage",),
    "HeadObject": ("s3:GetObject",),
    "DeleteObjects": ("s3:DeleteObject",),
    "CreateMultipartUpload": ("s3:PutObject",),
    "UploadPart": ("s3:PutObject",),
    "UploadPartCopy": ("s3:PutObject", "s3:GetObject"),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "ListObjectsV2": ("s3:ListBucket",),
    "HeadBucket": ("s3:ListBucket",),
}
_OF_BUCKETS = {"s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:CreateBucket"}
_QUEUES = {str(name) for name in QueueNames().model_dump().values()}


@dataclass(frozen=True, order=True)
class Ask:
    """An action on a resource."""

    action: str
    resource: str  # ARN, as in the policies

    @property
    def emulator_only(self) -> bool:
        """A bucket is made for an emulator only."""
        return self.action == "s3:CreateBucket"


def asks(call: Mapping[str, Any]) -> list[Ask]:
    """What a recorded call asks for."""
    service, operation = call["service"], call["operation"]
    found = []
    for action in _ACTIONS.get(operation, (f"{service}:{operation}",)):
        if service == "sqs":
            resource = f"arn:aws:sqs:${{AWS_REGION}}:${{AWS_ACCOUNT}}:{call.get('queue', '*')}"
        else:
            resource = f"arn:aws:s3:::{BUCKET}" + ("" if action in _OF_BUCKETS else "/*")
        found.append(Ask(action, resource))
    return found


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def granted(role: str) -> set[Ask]:
    """All that a policy allows."""
    return {
        Ask(action, resource)
        for statement in POLICIES[role]
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }


def actions(role: str) -> set[str]:
    """The actions of a policy."""
    return {ask.action for ask in granted(role)}


def allowed(role: str, ask: Ask) -> bool:
    """Whether a role may do that."""
    return role in POLICIES and ask in granted(role)


def unused(role: str, calls: Iterable[tuple[str, Ask]]) -> set[str]:
    """Actions that a policy allows on a resource of which no call was made."""
    made = {ask for caller, ask in calls if caller == role}
    return {ask.action for ask in granted(role) - made}
