"""python -m ingestor.services.status"""

from __future__ import annotations

from ingestor.runtime.host import run
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.settings import load_settings
from ingestor.services.status.bootstrap import bootstrap
from ingestor.services.status.settings import StatusSettings

if __name__ == "__main__":
    settings = load_settings(StatusSettings)
    run("status", settings, lambda registry: bootstrap(settings, registry), new_registry())
