"""The consumer of queues.yaml: notes every message that it gets and obeys its body."""

import json
import os
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    started = time.monotonic()
    records = event["Records"]
    if any("slow" in record["body"] for record in records):
        time.sleep(0.05)
    failures = [{"itemIdentifier": r["messageId"]} for r in records if _is_to_fail(r)]
    with Path(os.environ["NOTES"]).open("a") as notes:
        note = {"started": started, "ended": time.monotonic(), "records": records}
        notes.write(json.dumps(note) + "\n")
    if any(record["body"] == "raise" for record in records):
        raise ValueError("told to raise")
    return {"batchItemFailures": failures}


def _is_to_fail(record: dict[str, Any]) -> bool:
    is_first = record["attributes"]["ApproximateReceiveCount"] == "1"
    return record["body"] in (("fail", "fail once") if is_first else ("fail",))
