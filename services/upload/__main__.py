"""python -m ingestor.services.upload"""

from __future__ import annotations

from ingestor.runtime.host import run
from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.settings import load_settings
from ingestor.services.upload.bootstrap import bootstrap
from ingestor.services.upload.settings import UploadSettings

if __name__ == "__main__":
    settings = load_settings(UploadSettings)
    run("upload", settings, lambda registry: bootstrap(settings, registry), new_registry())
