"""All endpoints."""

from __future__ import annotations

from typing import Final

from . import _board, _runs, _state, _tasks, _tokens, _topics, _workflows
from ._endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *_state.ENDPOINTS,
    *_workflows.ENDPOINTS,
    *_runs.ENDPOINTS,
    *_tasks.ENDPOINTS,
    *_board.ENDPOINTS,
    *_topics.ENDPOINTS,
    *_tokens.ENDPOINTS,
)
