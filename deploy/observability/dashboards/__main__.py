"""python -m deploy.observability.dashboards FOLDER: write every dashboard there, as FOLDER/<uid>.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.observability.dashboards.boards import BOARDS


def rendered() -> dict[str, str]:
    """The dashboards as Grafana imports them, by file name."""
    made = [json.loads(json.dumps(one().build(), cls=JSONEncoder)) for one in BOARDS]
    return {
        f"{board['uid']}.json": json.dumps(_set(board), sort_keys=True, indent=1) + "\n" for board in made
    }


def _set(value: Any) -> Any:
    """What is not null: Grafana would take a null for a value."""
    if isinstance(value, dict):
        return {key: _set(item) for key, item in value.items() if item is not None}
    return [_set(item) for item in value] if isinstance(value, list) else value


def main() -> int:
    """Write them; the exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in rendered().items():
        (folder / name).write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
