"""The programs in the guides to embedding, failure, topics and jobs do what is said there."""

from __future__ import annotations

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

import callboard as cb

GUIDES = Path(__file__).parents[2] / "docs" / "guide"


def program(guide: str, number: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a program of a guide as a module that can be imported, and return its names."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    source = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[number]
    module = ModuleType("program_of_a_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, guide, "exec"), module.__dict__)
    return module.__dict__


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_trio_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program("embedding.md", 1, monkeypatch)
    assert capsys.readouterr().out == "succeeded [5, 5]\n"


def test_two_engines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program("embedding.md", 2, monkeypatch)
    assert capsys.readouterr().out == "8 2\n"


class _Answers(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


async def test_an_executor_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = program("embedding.md", 3, monkeypatch)
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            task = f"{{name: a, http: {{url: '{url}', method: POST, json: {{n: 1}}}}}}"
            await anyio.Path("flow.yaml").write_text(f"tasks: [{task}]")
            async with cb.Engine("memory:", executors={"http": names["Http"]()}) as engine:
                result = await engine.run(cb.load("flow.yaml"))
        finally:
            server.shutdown()
    assert result.tasks["a"].output == {"status": 200, "text": '{"n":1}'}


@pytest.mark.parametrize("number", [0, 1])
def test_topics_jobs_and_keys(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program("topics-and-jobs.md", number, monkeypatch)
    jobs = (
        "completed 100 {'succeeded': 3} {'succeeded': 6}\n"
        "TaskTotals(completed=6, pending=0, error=0, pause=0)\n"
    )
    assert jobs in (GUIDES / "topics-and-jobs.md").read_text("utf-8")
    assert capsys.readouterr().out == (jobs, "True False True\n5\n")[number]


async def test_the_application_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    names = program("embedding.md", 0, monkeypatch)
    sent: list[Any] = []
    async with names["lifespan"](names["app"]) as state:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/sign-up",
            "query_string": b"to=Ada",
            "headers": [],
            "state": state,
        }

        async def send(message: Any) -> None:
            sent.append(message)

        await names["app"](scope, anyio.sleep_forever, send)
        assert sent[0]["status"] == 202
        engine: cb.Engine = state["engine"]
        (row,) = await engine.runs()
        result = await (await engine.get(row.run)).result()
    assert result.output == "Welcome, Ada!"


async def test_the_key_lets_the_bank_charge_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = program("failure.md", 0, monkeypatch)
    async with cb.Engine("memory:") as engine:
        result = await engine.run(names["buy"], 12)
    assert result.output == 12
    assert result.tasks["charge"].attempts == 2
    assert list(names["charged"].values()) == [12]
