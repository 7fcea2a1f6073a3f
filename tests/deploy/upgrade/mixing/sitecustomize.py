"""Chooses the code of the services of a suite with two releases. Python imports this module at its start,
when its folder is in PYTHONPATH.

MIXED_TREE is the tree of the older release, MIXED_OLD names the services that run it (`processor:1`: only the
first processor), and MIXED_NOTES is a folder with a note of each process: where its code is. With MIXED_NEWER
the other services are of a release of tomorrow, in which messages in normal form need a newer reader.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_PREFIX = "ingestor.services."


def _is_first(notes: Path) -> bool:
    """Whether this is the first instance, or its replacement; instances differ by their address."""
    claim = notes / "first"
    try:
        with claim.open("x") as file:
            file.write(os.environ["INGESTOR_LISTEN"])
    except FileExistsError:
        return claim.read_text() == os.environ["INGESTOR_LISTEN"]
    return True


def _choose(service: str) -> None:
    notes = Path(os.environ["MIXED_NOTES"])
    old = os.environ["MIXED_OLD"].split(",")
    is_old = service in old or (f"{service}:1" in old and _is_first(notes))
    if is_old:
        sys.path.insert(0, os.environ["MIXED_TREE"])
        os.environ["PYTHONPATH"] = os.environ["MIXED_TREE"]  # of its children too
    elif os.environ.get("MIXED_NEWER"):
        from ingestor import formats

        formats.BATCHES.since["RowBatch.normal_form"] = formats.BATCHES.version + 1  # type: ignore[index]
    spec = importlib.util.find_spec("ingestor")
    (notes / str(os.getpid())).write_text(str(spec and spec.origin))


if "-m" in sys.orig_argv:
    _module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    if _module.startswith(_PREFIX) and "." not in _module.removeprefix(_PREFIX):
        _choose(_module.removeprefix(_PREFIX))
