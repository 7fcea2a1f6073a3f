"""The gateway, as the settings ask for it.

python -m ingestor.gateway          print Envoy's configuration
python -m ingestor.gateway --run    be Envoy with this configuration
python -m ingestor.gateway --drain  have the Envoy of this machine finish its calls, before SIGTERM
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import yaml

from ingestor.gateway.draining import drain
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


def _drain(config: dict[str, Any], settings: GatewaySettings) -> int:
    place = config["admin"]["address"]["socket_address"]
    admin = f"http://{place['address']}:{place['port_value']}"
    try:
        active = drain(admin, settings.lame_duck_seconds, settings.drain_seconds)
    except OSError as error:
        sys.stderr.write(f"error: Envoy's admin interface at {admin} does not answer: {error}\n")
        return 1
    if active:
        sys.stderr.write(f"{active} calls are still under way and will be cut\n")
    return 0


def main() -> int:
    """Print YAML, become Envoy, or drain one; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--run", action="store_true")
    what.add_argument("--drain", action="store_true")
    asked = parser.parse_args()
    settings = load_settings(GatewaySettings)
    config = load()
    if asked.drain:
        return _drain(config, settings)
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
    if asked.run:
        return _become_envoy(config, settings)
    sys.stdout.write(yaml.dump(config, Dumper=_Whole, sort_keys=False, width=120))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
