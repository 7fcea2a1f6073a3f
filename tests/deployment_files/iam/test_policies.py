"""The policies of deploy/iam are well-formed and narrow. What the programs really call: tests/deploy/iam."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ingestor.runtime.aws.queues import QueueNames
from tests.deployment_files.iam.policies import FOLDER, POLICIES

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_policy_is_narrow(path: Path) -> None:
    policy = json.loads(path.read_text())
    assert policy.keys() == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
        assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        for resource in statement["Resource"]:
            assert re.fullmatch(
                r"arn:aws:(sqs:\$\{AWS_REGION\}:\$\{AWS_ACCOUNT\}:[a-z-]+|s3:::\$\{BUCKET\}(/\*)?"
                r"|rds-db:\$\{AWS_REGION\}:\$\{AWS_ACCOUNT\}:dbuser:\$\{DATABASE_RESOURCE\}/\$\{DATABASE_ROLE\})",
                resource,
            ), resource


def test_queues_have_their_default_names() -> None:
    names = {str(name) for name in QueueNames().model_dump().values()}
    text = "".join(path.read_text() for path in FILES)
    assert set(re.findall(r"AWS_ACCOUNT\}:([a-z-]+)\"", text)) == names


def test_who_needs_no_aws_has_no_policy() -> None:
    assert POLICIES.keys() == {
        "upload", "converter", "orchestrator", "processor-worker", "processor-api", "status", "admin"
    }  # fmt: skip
