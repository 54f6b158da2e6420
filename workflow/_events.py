"""The old place of :mod:`~callboard.workflow.events`, until nobody imports it from here."""

from __future__ import annotations

from .events import (
    AttemptStarted as AttemptStarted,
)
from .events import (
    HoleClosed as HoleClosed,
)
from .events import (
    HoleOpened as HoleOpened,
)
from .events import (
    RestartRequested as RestartRequested,
)
from .events import (
    RetryDue as RetryDue,
)
from .events import (
    RetryScheduled as RetryScheduled,
)
from .events import (
    RunCreated as RunCreated,
)
from .events import (
    RunDraining as RunDraining,
)
from .events import (
    RunEnded as RunEnded,
)
from .events import (
    RunPaused as RunPaused,
)
from .events import (
    RunStopping as RunStopping,
)
from .events import (
    RunUnpaused as RunUnpaused,
)
from .events import (
    TaskAnswered as TaskAnswered,
)
from .events import (
    TaskReleased as TaskReleased,
)
from .events import (
    TaskSettled as TaskSettled,
)
from .events import (
    TasksRestarted as TasksRestarted,
)
from .events import (
    TasksSettled as TasksSettled,
)
from .events import (
    TaskWaiting as TaskWaiting,
)
from .events import (
    Wait as Wait,
)
