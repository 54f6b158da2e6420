"""Every asynchronous test runs on both backends."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Give the backend's name to anyio's plugin, which runs the test on it."""
    return str(request.param)
