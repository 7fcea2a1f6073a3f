"""The program `ingestor`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; without the extra `cli` say how to install it, with exit status 1."""
    # What gRPC's core says of handshakes that fail is told in one line, like other errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from ingestor.cli.main import main as command
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("error: the command line is not installed: run pip install 'data-ingestor[cli]'")
    command(prog_name="ingestor")


if __name__ == "__main__":
    main()
