"""The command of a script cloud for tests: `script_place.py FILE start|list|end`. Its VMs are rows in a file."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import Any

LONGEST_TOKEN = 64
NAMES = ("factory", "cloud")
Row = dict[str, Any]


def start(rows: list[Row], order: Row) -> list[Row]:
    if len(order["token"]) > LONGEST_TOKEN:
        sys.exit(13)
    same = [row for row in rows if row["order"]["token"] == order["token"]]
    if any(row["order"] != order for row in same):
        sys.exit(14)
    if any(row["instance"]["state"] == "terminated" for row in same):
        sys.exit(15)
    if not same:
        same = [{"order": order, "instance": _instance(order, index)} for index in range(order["count"])]
        rows += same
    return [row["instance"] for row in same]


def _instance(order: Row, index: int) -> Row:
    told = {name: order[name] for name in ("intent", "queue", "token")}
    id_ = f"vm-{order['cloud']}-{order['token'][:12]}-{index}"
    return {"id": id_, "state": "running", "launched_at": time.time(), "index": index, **told}


def list_(rows: list[Row], names: Row) -> list[Row]:
    return [row["instance"] for row in rows if all(row["order"][name] == names[name] for name in NAMES)]


def end(rows: list[Row], asked: Any) -> list[Row]:
    ids = asked["ids"] if isinstance(asked, dict) else asked
    for row in rows:
        if row["instance"]["id"] in ids:
            row["instance"]["state"] = "terminated"
    return ids


def find(rows: list[Row], asked: Row) -> list[Row]:
    ours = [row for row in rows if all(row["order"][name] == asked[name] for name in NAMES)]
    return [row["instance"] for row in ours if row["order"]["intent"] == asked["intent"]]


def main(file: str, verb: str) -> None:
    given = json.loads(sys.stdin.read())
    with Path(file).open("a+") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        place.seek(0)
        rows = json.loads(place.read() or "[]")
        answer = {"start": start, "list": list_, "end": end, "find": find}[verb](rows, given)
        place.truncate(0)
        place.write(json.dumps(rows))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
