"""Tools for testing workflows and the code around them; the product itself does not import it.

What works on stores and engines is imported when it is first used: virtual time alone, for tests
of actors, loads neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from ..actors._busy import busy as busy, not_busy as not_busy
from ._clock import (
    current_virtual_time as current_virtual_time,
    run as run,
    virtual_backends as virtual_backends,
    wall_time as wall_time,
)
from ._virtual_time import VirtualTime as VirtualTime

if TYPE_CHECKING:
    from ._faults import FaultyStore as FaultyStore
    from ._script import (
        Call as Call,
        Script as Script,
        Step as Step,
        crash as crash,
        fail as fail,
        hang as hang,
        not_ready as not_ready,
        succeed as succeed,
        suspend as suspend,
    )
    from ._store_conformance import StoreConformance as StoreConformance

_HOMES: Final = {
    "_faults": ("FaultyStore",),
    "_script": (
        *("Call", "Script", "Step"),
        *("crash", "fail", "hang", "not_ready", "succeed", "suspend"),
    ),
    "_store_conformance": ("StoreConformance",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
