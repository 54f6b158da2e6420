"""What is not needed is not imported: starting is quick, and no extra is needed to start."""

from __future__ import annotations

import subprocess
import sys

import pytest

import callboard
from callboard import testing

OTHER_BACKEND = {"trio", "outcome", "sortedcontainers"}
FOR_FILES_AND_SHELLS = {
    *("click", "rich", "pygments", "markdown_it"),
    *("ruamel", "yaml", "celpy", "lark", "re2", "pendulum", "jmespath"),
    *("graphviz", "pygraphviz"),
}
FOR_STORES = {"aiosqlite", "sqlite3", "_sqlite3", "cattrs", "msgspec"}
EXTRAS = {
    *("starlette", "anycorn", "httpx2", "httpx", "websockets", "cronsim"),
    *("psycopg", "nats", "prometheus_client", "opentelemetry", "pydantic"),
}
FOR_TESTS = {"pytest", "_pytest", "hypothesis", "unittest"}

EVERY_PUBLIC_NAME = """
import callboard
for name in callboard.__all__:
    getattr(callboard, name)
"""
A_PROGRAM = """
import anyio, callboard

async def main():
    result = await callboard.run_dag({"a": lambda: 1, "b": lambda: 2}, {"b": ["a"]})
    assert result.is_ready(), result

anyio.run(main)
"""


def modules_after(code: str) -> set[str]:
    """Run a program in a fresh interpreter and list the top-level modules it has imported."""
    listing = "import sys\nprint(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        pytest.param(
            "import callboard",
            OTHER_BACKEND | FOR_FILES_AND_SHELLS | FOR_STORES | EXTRAS | FOR_TESTS,
            id="the import",
        ),
        pytest.param(
            EVERY_PUBLIC_NAME,
            OTHER_BACKEND | FOR_FILES_AND_SHELLS | EXTRAS | FOR_TESTS,
            id="every public name",
        ),
        pytest.param(
            A_PROGRAM,
            OTHER_BACKEND | FOR_FILES_AND_SHELLS | {"aiosqlite", "sqlite3"} | EXTRAS | FOR_TESTS,
            id="a program on asyncio without a store",
        ),
        pytest.param(
            "import callboard.actors, callboard.supervisor",
            OTHER_BACKEND | FOR_FILES_AND_SHELLS | FOR_STORES | EXTRAS | FOR_TESTS,
            id="actors and supervisors alone",
        ),
        pytest.param(
            "import callboard.testing",
            OTHER_BACKEND | FOR_FILES_AND_SHELLS | FOR_STORES | EXTRAS | FOR_TESTS,
            id="virtual time alone",
        ),
        pytest.param(
            "import callboard.workflow",
            OTHER_BACKEND
            | FOR_FILES_AND_SHELLS
            | FOR_STORES
            | EXTRAS
            | FOR_TESTS
            | {"anyio", "asyncio"},
            id="the kernel alone",
        ),
    ],
)
def test_nothing_is_imported_that_is_not_needed(code: str, banned: set[str]) -> None:
    assert modules_after(code) & banned == set()


def test_what_is_banned_would_be_seen() -> None:
    assert {"sqlite3", "asyncio"} <= modules_after("import sqlite3.dbapi2, asyncio")


def test_every_public_name_has_its_place() -> None:
    assert sorted(callboard.__all__) == sorted(callboard._HOME_OF)


def test_virtual_time_loads_neither_stores_nor_engines() -> None:
    code = "import sys, callboard.testing\nassert 'callboard.storage' not in sys.modules"
    assert "callboard" in modules_after(code)


def test_every_tool_for_tests_has_its_place() -> None:
    for names in testing._HOMES.values():
        assert all(hasattr(testing, name) for name in names)
