"""Chooses the code of the services of a suite with several releases. Python imports this module at its start,
when its folder is in PYTHONPATH.

MIXED_PLAN is a JSON file with the release of each instance, by its address: "old", whose tree is MIXED_TREE,
"new", this one, which is also that of instances without one, or "tomorrow", in which messages in normal form
need a newer reader. MIXED_NOTES is a folder with a note of each process: which release it runs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

_PREFIX = "ingestor.services."


def _choose() -> None:
    plan, tree = Path(os.environ["MIXED_PLAN"]), Path(os.environ["MIXED_TREE"])
    planned = json.loads(plan.read_text("utf-8")) if plan.exists() else {}
    release = planned.get(os.environ["INGESTOR_LISTEN"], "new")
    if release == "old":
        sys.path.insert(0, str(tree))
        os.environ["PYTHONPATH"] = str(tree)  # of its children too
    elif release == "tomorrow":
        from ingestor import formats

        formats.BATCHES.since["RowBatch.normal_form"] = formats.BATCHES.version + 1  # type: ignore[index]
    spec = importlib.util.find_spec("ingestor")
    found = Path(str(spec and spec.origin))
    is_old = found.is_relative_to(tree)
    note = Path(os.environ["MIXED_NOTES"]) / str(os.getpid())
    note.write_text(release if is_old == (release == "old") else f"the code of {found}", "utf-8")


if "-m" in sys.orig_argv:
    _module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    if _module.startswith(_PREFIX) and "." not in _module.removeprefix(_PREFIX):
        _choose()
