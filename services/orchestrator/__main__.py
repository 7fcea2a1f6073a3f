"""python -m ingestor.services.orchestrator"""

from __future__ import annotations

from ingestor.runtime.host import run
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.settings import load_settings
from ingestor.services.orchestrator.bootstrap import bootstrap
from ingestor.services.orchestrator.settings import OrchestratorSettings

if __name__ == "__main__":
    settings = load_settings(OrchestratorSettings)
    run("orchestrator", settings, lambda registry: bootstrap(settings, registry), new_registry())
