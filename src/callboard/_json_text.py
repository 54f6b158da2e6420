"""JSON that a person wrote, read so strictly that any store can keep it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from .workflow import UsageError


def read_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        UsageError: it is JSON, but of what no store can keep.
        ValueError: it is no JSON.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError as error:
        raise UsageError("a number in it is too large") from error
    except RecursionError as error:
        raise UsageError("it is nested too deep") from error
    except ValueError:
        # This tells better what is wrong, and takes what spells half a surrogate pair.
        json.loads(text, parse_constant=_refuse_constant)
        raise UsageError("a character in it is no Unicode") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
