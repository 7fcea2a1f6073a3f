"""python -m ingestor.gateway: print the gateway's configuration, as the settings ask for it."""

from __future__ import annotations

import sys

import yaml

from ingestor.gateway.render import apply, load
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError
from ingestor.runtime.settings import load_settings


class _Whole(yaml.SafeDumper):
    """Writes what occurs twice twice: no reader has to know aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """All of them."""
        return True


def main() -> int:
    """Print YAML; return the exit status."""
    config = load()
    try:
        apply(config, load_settings(GatewaySettings))
    except GatewayError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: INGESTOR_GATEWAY_SDS_DIR: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(yaml.dump(config, Dumper=_Whole, sort_keys=False, width=120))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
