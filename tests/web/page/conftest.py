"""The page in a real browser: one Chromium a session, and the engine that it looks at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from anyio.from_thread import start_blocking_portal

from .browsing import Site, open_site
from .flows import workflows_in


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[Site]:
    """An engine on a port, in a loop of its own beside the tests, and a browser in that loop."""
    # The headless shell takes a third of the time: it draws no window that nobody sees.
    chromium = shutil.which("chromium-headless-shell") or program("chromium")
    folder = tmp_path_factory.mktemp("flows")
    with start_blocking_portal("asyncio") as portal:
        opened: AbstractAsyncContextManager[Site] = open_site(
            portal, workflows_in(folder), chromium
        )
        with portal.wrap_async_context_manager(opened) as found:
            yield found
