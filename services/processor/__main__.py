"""python -m ingestor.services.processor"""

from __future__ import annotations

from ingestor.runtime.host import run
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.settings import load_settings
from ingestor.services.processor.bootstrap import bootstrap
from ingestor.services.processor.settings import ProcessorSettings

if __name__ == "__main__":
    settings = load_settings(ProcessorSettings)
    run("processor", settings, lambda registry: bootstrap(settings, registry), new_registry())
