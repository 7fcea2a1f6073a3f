"""python -m ingestor.services.upload.converter"""

from __future__ import annotations

from ingestor.runtime.host import run
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.settings import load_settings
from ingestor.services.upload.converter.bootstrap import bootstrap
from ingestor.services.upload.converter.settings import ConverterSettings

if __name__ == "__main__":
    settings = load_settings(ConverterSettings)
    run("converter", settings, lambda registry: bootstrap(settings, registry), new_registry())
