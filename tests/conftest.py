"""Every asynchronous test runs on both backends."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction

import anyio
import pytest

# Hundreds of processes are started: where nothing compiled is kept, each compiles all anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_xdist_auto_num_workers() -> int:
    """Run half as many tests again as there are cores: many a test waits for processes."""
    return 3 * (os.cpu_count() or 2) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones: at the end all others would be done and one core would wait."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection() -> None:
    """Collect the tests without looking for garbage: there is little among them."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare the garbage collector thousands of tests: it would look at all of them each time.

    It comes seldom, too: a search through many graphs holds all that it makes for long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test on trio as a program does, where no fixture needs the test's loop.

    anyio's plugin runs trio as a guest, whose every turn goes through two threads.
    """
    test, given = pyfuncitem.obj, pyfuncitem.funcargs
    if not iscoroutinefunction(test) or given.get("anyio_backend") != "trio":
        return None
    asked = pyfuncitem._fixtureinfo
    makers = [known[-1].func for known in asked.name2fixturedefs.values()]
    if any(isasyncgenfunction(make) or iscoroutinefunction(make) for make in makers):
        return None
    anyio.run(partial(test, **{name: given[name] for name in asked.argnames}), backend="trio")
    return True


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Give the backend's name to anyio's plugin, which runs the test on it."""
    return str(request.param)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Give a function that finds a program by its name, and skips the test where there is none.

    Where ``TESTS_REQUIRE`` names it, as in CI, that is a failure.
    """

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is not None:
            return found
        if name in os.environ.get("TESTS_REQUIRE", "").split():
            pytest.fail(f"{name} is required here and was not found")
        pytest.skip(f"needs {name}")

    return find
