"""A pilot: it takes jobs of the stand-in until none waits, and ends. Usage: pilot.py URL SITE PATIENCE_S

It stands alone: a worker runs it with nothing but Python's own library. For PATIENCE_S it asks again before it ends.
"""

import json
import os
import sys
import time
import urllib.request


def main(url: str, site: str, patience_s: str) -> None:
    pilot, idle_since = os.environ.get("APF_PILOT", "?"), time.monotonic()
    while time.monotonic() - idle_since < float(patience_s):
        job = _post(f"{url}/pilot/take?site={site}&pilot={pilot}")
        if job:
            time.sleep(job["seconds"])
            _post(f"{url}/pilot/done?id={job['id']}")
            idle_since = time.monotonic()
        else:
            time.sleep(0.3)


def _post(url: str) -> dict[str, float]:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=20) as answer:
        found: dict[str, float] = json.loads(answer.read())
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
