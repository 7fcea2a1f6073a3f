"""Asks running services which release they are."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException

from prometheus_client.parser import text_string_to_metric_families

from ingestor.provisioning.checks.report import Report
from ingestor.runtime.addresses import split_address
from ingestor.runtime.release import this_release

_NAME = "running services"
_SECONDS = 5.0
_AT_ONCE = 16
_MOST_BYTES = 16 * 1024 * 1024  # of a page of metrics
_BUILD = "ingestor_build_info"


class _NoAnswerError(Exception):
    """The text says why there is no release to tell."""


async def check_releases(report: Report, addresses: Sequence[str]) -> None:
    """Ask every instance behind each address (host:port of its metrics) for its release: one line for all.
    Adds to the report; raises nothing for what does not answer. Raises ValueError for an address that is
    none."""
    if not addresses:
        report.good(_NAME, "not asked, since none is named (--service)")
        return
    places = asyncio.Semaphore(_AT_ONCE)

    async def instance(host: str, port: int) -> str:
        try:
            async with places:
                return await asyncio.to_thread(_release, host, port)
        except _NoAnswerError as error:
            return f"no answer from {host} ({error})"

    async def service(address: str) -> list[str]:
        host, port = split_address(address)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            return [f"no answer ({error.strerror})"]
        return await asyncio.gather(*(instance(each, port) for each in sorted({str(a[4][0]) for a in found})))

    answers = await asyncio.gather(*map(service, addresses))
    said = ", ".join(
        f"{address} {_counted(answer)}" for address, answer in zip(addresses, answers, strict=True)
    )
    every = {each for answer in answers for each in answer}
    silent = {each for each in every if each.startswith("no answer")}
    todo = []
    if silent:
        todo.append("start what does not answer, or let this machine reach its metrics")
    if every - silent - {this_release().version}:
        todo.append("bring all to one release, or check with the release that runs")
    if todo:
        report.bad(_NAME, said, "; ".join(todo))
    else:
        report.good(_NAME, said)


def _counted(answers: Iterable[str]) -> str:
    return " and ".join(
        each if count == 1 else f"{each} ({count} times)" for each, count in sorted(Counter(answers).items())
    )


def _release(host: str, port: int) -> str:
    """The version that an instance says. Raises _NoAnswerError."""
    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(_MOST_BYTES).decode("utf-8", "replace")
    except TimeoutError:
        raise _NoAnswerError(f"nothing for {_SECONDS:.0f} s") from None
    except OSError as error:
        raise _NoAnswerError(error.strerror or str(error)) from None
    except HTTPException:
        raise _NoAnswerError("it does not speak HTTP") from None
    finally:
        connection.close()
    lines = "\n".join(line for line in text.splitlines() if line.startswith(_BUILD))
    try:
        for family in text_string_to_metric_families(f"{lines}\n"):
            for sample in family.samples:
                return sample.labels["version"]
    except (ValueError, KeyError):
        pass
    raise _NoAnswerError(f"its metrics do not say {_BUILD}")
