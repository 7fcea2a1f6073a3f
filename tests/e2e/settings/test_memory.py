"""The suite on one machine has bounds on memory, which are 4 GiB together."""

from __future__ import annotations

import resource
import sys

import psutil
import pytest

from ingestor.runtime.settings import CheckSettings
from ingestor.services.upload.converter.settings import ConversionSettings
from tests.e2e.conftest import Suite


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts mappings")
def test_the_bounds_of_all_services_add_up_to_four_gibibytes(suite: Suite) -> None:
    bounds = {
        name: psutil.Process(suite.pid(name)).rlimit(resource.RLIMIT_DATA)[0]
        for name in ("status", "orchestrator", "upload", "processor")
    }
    checks, conversions = CheckSettings(), ConversionSettings()
    bounds["checks"] = 2 * checks.check_processes * checks.check_memory_bytes
    bounds["conversions"] = (conversions.conversions_at_once + 1) * conversions.converter_memory_bytes
    assert min(bounds.values()) > 0
    assert sum(bounds.values()) <= 4 * 2**30, bounds
