"""Requests that are no message, and those for which there is no memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.grpc.messages import lenient, readable
from ingestor.v1 import status_pb2

# Its own process, since it may have little memory from then on.
_SHORT_OF_MEMORY = """
import resource
from pathlib import Path
from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.grpc.messages import lenient, readable
from ingestor.v1 import processor_pb2

data = processor_pb2.RejectedRow(cells=["abc"] * 5_000_000).SerializeToString()
used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + 30 * 2**20,) * 2)
try:
    readable(lenient(processor_pb2.RejectedRow.FromString)(data))
except UnavailableError as error:
    print(error.reason, end="")
"""


def test_bytes_that_are_no_message() -> None:
    read = lenient(status_pb2.GetProcessRequest.FromString)
    assert read
    with pytest.raises(InvalidArgumentError):
        readable(read(b"\x0a\xff"))
    assert readable(read(b"")) == status_pb2.GetProcessRequest()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process so")
def test_a_service_short_of_memory_says_that_it_may_be_tried_again() -> None:
    """Else what another service sends is taken for wrong, and a file for unreadable."""
    done = subprocess.run(
        [sys.executable, "-c", _SHORT_OF_MEMORY], check=False, capture_output=True, text=True
    )
    assert done.stdout == "TOO_MANY_CALLS", done.stderr
