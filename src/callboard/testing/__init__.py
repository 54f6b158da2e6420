"""Tools for testing workflows and the code around them; the product itself does not import it."""

from __future__ import annotations

from ..actors._busy import busy as busy
from ..actors._busy import not_busy as not_busy
from ._clock import current_virtual_time as current_virtual_time
from ._clock import run as run
from ._clock import virtual_backends as virtual_backends
from ._clock import wall_time as wall_time
from ._faults import FaultyStore as FaultyStore
from ._script import Call as Call
from ._script import Script as Script
from ._script import Step as Step
from ._script import crash as crash
from ._script import fail as fail
from ._script import hang as hang
from ._script import not_ready as not_ready
from ._script import succeed as succeed
from ._script import suspend as suspend
from ._virtual_time import VirtualTime as VirtualTime
