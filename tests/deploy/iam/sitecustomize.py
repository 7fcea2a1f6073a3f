"""Writes down each call to AWS that a Python program makes. Found by PYTHONPATH, and told where to write by
AWS_CALLS_FOLDER."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import botocore.session

_PLACES = {"QueueUrl": "queue", "QueueName": "queue", "Bucket": "bucket"}
_made = botocore.session.Session.__init__


def _init(self: botocore.session.Session, *arguments: Any, **options: Any) -> None:
    _made(self, *arguments, **options)
    self.register("before-parameter-build", _note)


def _note(**event: Any) -> None:
    params, model = event["params"], event["model"]
    found = {
        "program": " ".join(sys.orig_argv[1:]),
        "role": os.environ.get("INGESTOR_PROCESSOR_ROLE", ""),
        "service": model.service_model.service_name,
        "operation": model.name,
        **{place: str(params[name]).rpartition("/")[2] for name, place in _PLACES.items() if name in params},
    }
    with (Path(os.environ["AWS_CALLS_FOLDER"]) / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(found) + "\n")


if "AWS_CALLS_FOLDER" in os.environ:
    botocore.session.Session.__init__ = _init  # type: ignore[method-assign]
