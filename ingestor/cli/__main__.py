"""The program `ingestor`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without the extra `cli` say how to install it, with exit status 1."""
    try:
        from ingestor.cli.main import main as command
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("error: the command line is not installed: run pip install 'data-ingestor[cli]'")
    command(prog_name="ingestor")


if __name__ == "__main__":
    main()
