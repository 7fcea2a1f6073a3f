"""The key of receipts: the scripts make one that signs, and only the processors that answer calls have it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ingestor.receipts.keys import ReceiptKey

DEPLOY = Path(__file__).parents[3] / "deploy"
VARIABLE = "INGESTOR_RECEIPT_KEY_FILE"


def test_compose_and_one_server_get_a_key_once(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two", "one"):
        subprocess.run([DEPLOY / "compose" / "secrets.sh", tmp_path / name], check=True, capture_output=True)
        file = tmp_path / name / "receipt_key"
        keys.append(ReceiptKey.parse(file.read_text("ascii")).public_pem)
        assert file.parent.stat().st_mode & 0o077 == 0
    assert keys[0] == keys[2] != keys[1]


def printed(*arguments: str) -> Mapping[str, Any]:
    """The secrets that the script prints, by name."""
    done = subprocess.run(
        [DEPLOY / "k8s" / "secrets.sh", *arguments], check=True, capture_output=True, text=True
    )
    return {each["metadata"]["name"]: each["stringData"] for each in yaml.safe_load_all(done.stdout)}


def test_kubernetes_gets_a_key() -> None:
    everything, alone = printed(), printed("receipt-key")
    assert len(everything) > 1
    assert list(alone) == ["receipt-key"]
    first, second = (
        ReceiptKey.parse(made["receipt-key"]["receipt.pem"]).public_pem for made in (everything, alone)
    )
    assert first != second


def test_in_compose_the_processors_that_answer_calls_have_it() -> None:
    found = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    assert found["secrets"]["receipt_key"]["file"].endswith("/receipt_key")
    services = found["services"]
    assert [name for name in services if "receipt_key" in services[name].get("secrets", ())] == [
        "processor-api"
    ]
    signs = [name for name in services if VARIABLE in (services[name].get("environment") or ())]
    assert signs == ["processor-api"]
    assert services["processor-api"]["environment"][VARIABLE] == "/run/secrets/receipt_key"


def test_on_one_server_the_processor_that_answers_calls_has_it() -> None:
    lines = {path.name: path.read_text("utf-8").splitlines() for path in DEPLOY.glob("systemd/*.service")}
    own = lines["ingestor-processor.service"]
    assert "LoadCredential=receipt_key:/etc/ingestor/secrets/receipt_key" in own
    assert f"Environment={VARIABLE}=%d/receipt_key" in own
    assert [name for name, unit in lines.items() if "receipt_key" in "\n".join(unit)] == [
        "ingestor-processor.service"
    ]


def test_on_kubernetes_the_processors_that_answer_calls_have_it() -> None:
    having = []
    for path in (DEPLOY / "k8s" / "base").glob("*.yaml"):
        for each in yaml.safe_load_all(path.read_text("utf-8")):
            if not isinstance(each, dict) or each.get("kind") != "Deployment":
                continue
            spec = each["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            volumes = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"]
                       if "secret" in volume}  # fmt: skip
            files = {
                f"{mount['mountPath']}/receipt.pem"
                for mount in container["volumeMounts"]
                if volumes.get(mount["name"]) == "receipt-key"
            }
            named = {one["value"] for one in container.get("env", ()) if one["name"] == VARIABLE}
            assert files == named, path
            having += [each["metadata"]["name"]] if files else []
    assert having == ["processor-api"]
