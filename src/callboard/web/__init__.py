"""REST and the live page: one ASGI application that mounts in anybody's Starlette or FastAPI.

It decides nothing: what may be done, and what follows, is decided by the engine and its registry.
``engine.asgi()`` makes it.  It needs no lifespan of its own, only an engine that is open.
"""

from __future__ import annotations

from ..registry import Who as Who
from ._access import Access as Access, Authorize as Authorize
from ._app import asgi as asgi
from ._serve import bound as bound, serve as serve
