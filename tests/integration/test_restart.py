"""One of two instances of each service is restarted while the suite is used: no call fails."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.rolling import calling, restart
from tests.e2e.conftest import running


async def test_no_call_fails(tmp_path: Path) -> None:
    options = ("--replicas", "2", "--processors", "2")
    env = {
        "INGESTOR_DRAIN_SECONDS": "10",
        "INGESTOR_PAGE_DIR": str(tmp_path / "none"),
    }
    with running(tmp_path / "suite", *options, **env) as suite:
        async with calling(suite.gateway, workers=4) as load:
            await restart(suite, ["upload", "orchestrator", "status", "processor"])
            await load.made(500)
        assert not load.failed
        assert {"CompleteUpload", "WatchProcess", "DownloadReport"} < set(load.done)
