"""Who runs, when, and what follows a failure: strategies, and the engine's tree of actors."""

from __future__ import annotations

from ._board import Board as Board
from ._board import Claim as Claim
from ._board import Offer as Offer
from ._clock import Clock as Clock
from ._execution import Binder as Binder
from ._execution import Done as Done
from ._execution import Executor as Executor
from ._execution import Failed as Failed
from ._execution import Halted as Halted
from ._execution import Lease as Lease
from ._execution import NoExecutor as NoExecutor
from ._execution import NotDone as NotDone
from ._execution import Outcome as Outcome
from ._execution import Settings as Settings
from ._execution import Suspended as Suspended
from ._execution import Upstream as Upstream
from ._live import Live as Live
from ._remote import answer_of as answer_of
from ._remote import decode_command as decode_command
from ._remote import encode_command as encode_command
from ._runners import failure_of as failure_of
from ._slots import Holder as Holder
from ._strategies import ChildSpec as ChildSpec
from ._strategies import Intensity as Intensity
from ._strategies import Restart as Restart
from ._strategies import RestartIntensityExceeded as RestartIntensityExceeded
from ._strategies import Strategy as Strategy
from ._supervise import supervise as supervise
from ._timers import Timers as Timers
from ._tree import Catalog as Catalog
from ._tree import Tree as Tree
