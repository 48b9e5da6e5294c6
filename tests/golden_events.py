"""Events in the very shapes that AWS delivers, one file per consumer in tests/golden/."""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent / "golden"


def golden(consumer: str) -> list[dict[str, Any]]:
    """Return the records of a consumer's golden event, new at each call."""
    records: list[dict[str, Any]] = json.loads((FOLDER / f"{consumer}.json").read_text())["Records"]
    return records
