"""Write the format's JSON Schema beside this file: ``python -m callboard.definitions._publish``."""

from __future__ import annotations

import json
from pathlib import Path

from ._format import build_schema

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def schema_text() -> str:
    """Give the schema as it is shipped."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
