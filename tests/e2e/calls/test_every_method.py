"""Every public method of the contract through the gateway, with requests that nobody would send on purpose:
no answer is INTERNAL, none is missing, none takes more than ten seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.access.calls import Names, descriptor_of, document, public_methods, request_of
from tests.e2e.access.conftest import VICTIM, AccessSuite, access_suite, fill
from tests.examples import examples
from tests.hostile.messages import messages

SECONDS = 10.0
# Whoever calls is told what is wrong with the call or with what it names. UNAVAILABLE would be a service that
# has died.
ANSWERS = frozenset(
    {
        "OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED",
        "PERMISSION_DENIED", "ABORTED", "DATA_LOSS",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Caller:
    """An administrator of the platform, and what its tenant has."""

    access: AccessSuite
    names: Names
    token: str

    def usual(self, field: FieldDescriptor) -> Sequence[Any]:
        """Values of a field that name something."""
        names = self.names
        usual: dict[str, list[Any]] = {
            "process_id": [names.process],
            "repairs_process_id": [names.process],
            "upload_id": [names.upload],
            "pipeline": [names.pipeline, f"{names.pipeline}@1", f"{names.pipeline}@99999999999999999999"],
            "name": [names.pipeline, "storage_bytes"],
            "table": [names.table, f"public.{names.table}"],
            "document_json": [document(names.pipeline, names.table)],
            "dialect_json": ["", '{"delimiter": ";"}'],
            "tenant": ["globex"],  # not the caller's own: it would have no quota left for other calls
            "subject": [names.member],
            "prefix": [names.key],
            "file_name": ["a.csv"],
            "row_number": [1, 3],
            "page_size": [1, 1000],
        }
        return usual.get(field.name, [])


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A suite of its own, since calls delete and cancel what they find."""
    folder = tmp_path_factory.mktemp("calls")
    with access_suite(folder, INGESTOR_PLATFORM_TENANT=VICTIM) as access:
        names = fill(access, VICTIM, "xenolith")
        yield Caller(access, names, access.issuer.token("xenolith-owner", VICTIM, "admin"))


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("method", public_methods())
def test_every_method(method: str, caller: Caller) -> None:
    descriptor = descriptor_of(method)
    one = messages(descriptor.input_type, caller.usual)
    requests = st.lists(one, max_size=3) if descriptor.client_streaming else one
    # A usual request, with time to start the processes that answer it.
    ask(caller, method, request_of(method, caller.names), seconds=60)

    @settings(max_examples=examples(400), suppress_health_check=list(HealthCheck))
    @given(requests)
    def every_request(request: Any) -> None:
        ask(caller, method, request)

    every_request()
    alive = caller.access.ask(
        "AccessService/GetAccess", token=caller.token, names=caller.names, timeout=SECONDS
    )
    assert alive.code == "OK", alive


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x02\xff\xfe"], ids=["no message", "no UTF-8"])
@pytest.mark.parametrize("method", public_methods())
def test_bytes_that_are_no_message(method: str, data: bytes, caller: Caller) -> None:
    first = descriptor_of(method).input_type.fields_by_number.get(1)
    if data.startswith(b"\x0a") and (first is None or first.type != FieldDescriptor.TYPE_STRING):
        pytest.skip("its first field is no text")
    answer = caller.access.ask(method, data, token=caller.token, timeout=SECONDS)
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT"), answer


def ask(caller: Caller, method: str, request: Any, seconds: float = SECONDS) -> None:
    """One call, and what its answer may be."""
    whole = method.endswith("DownloadReport")
    answer = caller.access.ask(method, request, token=caller.token, whole=whole, timeout=seconds)
    assert answer.code in ANSWERS, answer
    if answer.code != "OK":
        # gRPC itself refuses what is larger than a message may be.
        assert answer.reason or "larger than max" in answer.message, answer
