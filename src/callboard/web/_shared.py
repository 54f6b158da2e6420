"""What all requests of one application share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs

from ._figures import Figures
from ._graph import Graphs
from ._health import Health


@attrs.frozen(eq=False)
class Shared:
    """Figures, and answers of the store that are kept for a moment.

    Attributes:
        figures: Counts of requests.
        health: How the store is.
        graphs: Graphs as they were laid out.
        owners: Gives whose each label is.
    """

    figures: Figures
    health: Health
    graphs: Graphs
    owners: Callable[[], Awaitable[Mapping[str, str]]]
