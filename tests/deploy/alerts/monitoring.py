"""A real Prometheus and a real Alertmanager beside a suite, with the rules of deploy/observability."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from ingestor.local.ports import LOOPBACK, free_port

OBSERVABILITY = Path(__file__).parents[3] / "deploy" / "observability"
_UNITS = {"s": 1, "m": 60, "h": 3600}
# How many times shorter everything is here, and seconds that it has at least, so that a scrape that is late
# changes nothing. promtool tests the rules with their own times: tests/deployment_files/observability.
_RANGES, _SHORTEST_RANGE = 60, 10
_FOR, _SHORTEST_FOR = 200, 3
_AGES = 100


def program(*names: str) -> str:
    """The first of these programs that is installed; skips the test without any."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed (Debian: prometheus, prometheus-alertmanager)")


def fast(text: str) -> str:
    """Rules that do not wait for minutes: with shorter ranges, `for`, and thresholds of ages."""

    def shorter(factor: int, shortest: int) -> Callable[[re.Match[str]], str]:
        def change(match: re.Match[str]) -> str:
            seconds = int(match["number"]) * _UNITS[match["unit"]] / factor
            return f"{match['before']}{max(shortest, round(seconds))}s{match['after']}"

        return change

    time_ = r"(?P<number>\d+)(?P<unit>[smh])"
    text = re.sub(rf"(?P<before>\[){time_}(?P<after>\])", shorter(_RANGES, _SHORTEST_RANGE), text)
    text = re.sub(rf"(?P<before>for: ){time_}(?P<after>\n)", shorter(_FOR, _SHORTEST_FOR), text)
    return re.sub(
        r"(age_seconds(?:\[\w+\]\))?\)) > (\d+)",
        lambda match: f"{match[1]} > {round(int(match[2]) / _AGES)}",
        text,
    )


@dataclass(frozen=True)
class Monitoring:
    """What looks at the suite."""

    prometheus: str  # URL
    alertmanager: str  # URL

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        found = _get(f"{self.prometheus}/api/v1/query?query={urllib.request.quote(expression)}")  # type: ignore[attr-defined]
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def firing(self) -> set[tuple[str, str]]:
        """Name and role ("" without one) of each alert that Alertmanager has."""
        found = _get(f"{self.alertmanager}/api/v2/alerts?active=true&inhibited=true")
        return {(alert["labels"]["alertname"], alert["labels"].get("role", "")) for alert in found}

    def wait(self, *alerts: tuple[str, str], fire: bool = True, seconds: float = 300) -> None:
        """Wait until all of them fire, or until none does."""
        until = time.monotonic() + seconds
        wanted = set(alerts)
        while True:
            firing = self.firing()
            if wanted <= firing if fire else not wanted & firing:
                return
            assert time.monotonic() < until, f"{'not firing' if fire else 'still firing'}: {wanted}; {firing}"
            time.sleep(0.2)  # between two looks


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


@contextmanager
def monitoring(facts: Mapping[str, Any], folder: Path) -> Iterator[Monitoring]:
    """Prometheus and Alertmanager for a suite (`ingestor env --json`), until the context ends."""
    prometheus, alertmanager = program("prometheus"), program("prometheus-alertmanager", "alertmanager")
    (folder / "alerts").mkdir()
    for path in sorted((OBSERVABILITY / "alerts").glob("*.yaml")):
        (folder / "alerts" / path.name).write_text(fast(path.read_text("utf-8")))
    targets = {name: service["metrics"] for name, service in facts["services"].items()}
    targets["gateway"] = facts["gateway_metrics"]
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{folder}/alerts/*.yaml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"{LOOPBACK}:{ports['alertmanager']}"]}]}]
        },
        "scrape_configs": [
            {
                "job_name": "ingestor",
                "static_configs": [
                    {"targets": [urlsplit(url).netloc], "labels": {"role": role}}
                    for role, url in targets.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    routes = yaml.safe_load((OBSERVABILITY / "alertmanager" / "alertmanager.yaml").read_text("utf-8"))
    routes["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(routes))
    urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    commands = (
        [
            prometheus, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={LOOPBACK}:{ports['prometheus']}", "--rules.alert.resend-delay=1s",
        ],
        [
            alertmanager, f"--config.file={folder}/alertmanager.yaml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={LOOPBACK}:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ],
    )  # fmt: skip
    with ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        for url in urls.values():
            _until_ready(f"{url}/-/ready")
        yield Monitoring(urls["prometheus"], urls["alertmanager"])


def _until_ready(url: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.1)  # between two looks
