"""Who runs, when, and what follows a failure: strategies, and the engine's tree of actors."""

from __future__ import annotations

from ._board import Board as Board, Claim as Claim, Offer as Offer, Wanted as Wanted
from ._children import failure_run as failure_run
from ._clock import Clock as Clock
from ._execution import (
    Binder as Binder,
    Done as Done,
    Executor as Executor,
    Failed as Failed,
    Halted as Halted,
    Lease as Lease,
    Lost as Lost,
    NoExecutor as NoExecutor,
    NotDone as NotDone,
    Outcome as Outcome,
    Settings as Settings,
    Suspended as Suspended,
    Upstream as Upstream,
)
from ._live import Live as Live
from ._messages import Signed as Signed
from ._remote import (
    answer_of as answer_of,
    decode_command as decode_command,
    encode_command as encode_command,
    refusal_of as refusal_of,
)
from ._run_ids import new_run_id as new_run_id
from ._runners import failure_of as failure_of
from ._secrets import Secrets as Secrets
from ._slots import Holder as Holder
from ._stirring import NOTHING as NOTHING
from ._strategies import (
    ChildSpec as ChildSpec,
    Intensity as Intensity,
    Restart as Restart,
    RestartIntensityExceeded as RestartIntensityExceeded,
    Strategy as Strategy,
)
from ._supervise import supervise as supervise
from ._timers import Timers as Timers
from ._tree import Catalog as Catalog, Tree as Tree
