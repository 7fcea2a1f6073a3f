"""The gateway, as the settings ask for it.

python -m ingestor.gateway          print Envoy's configuration
python -m ingestor.gateway --run    be Envoy with this configuration
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import yaml

from ingestor.gateway.envoy import execute, set_clusters, set_listener
from ingestor.gateway.render import apply, load
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError
from ingestor.runtime.settings import load_settings


class _Whole(yaml.SafeDumper):
    """Writes what occurs twice twice: no reader has to know aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """All of them."""
        return True


def _become_envoy(config: dict[str, Any], settings: GatewaySettings) -> int:
    """Returns only when that fails: the exit status."""
    try:
        execute(config, settings)
    except GatewayError as error:
        sys.stderr.write(f"error: {error}\n")
    except OSError as error:
        sys.stderr.write(f"error: Envoy cannot be started: {error.filename}: {error.strerror}\n")
    return 1


def main() -> int:
    """Print YAML, or become Envoy; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", action="store_true")
    run = parser.parse_args().run
    settings = load_settings(GatewaySettings)
    config = load()
    try:
        set_listener(config, settings.gateway_listen)
        set_clusters(config, settings.clusters)
        apply(config, settings)
    except GatewayError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: INGESTOR_GATEWAY_SDS_DIR: {error.filename}: {error.strerror}\n")
        return 1
    if run:
        return _become_envoy(config, settings)
    sys.stdout.write(yaml.dump(config, Dumper=_Whole, sort_keys=False, width=120))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
