"""What the page is made of, and how it is served: from here alone, and under any prefix."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from callboard.web._page import POLICY, page_routes
from callboard.workflow import TaskState

PAGE = Path(__file__).parents[3] / "src" / "callboard" / "web" / "page"
FILES = sorted(path for path in PAGE.iterdir() if path.suffix in (".html", ".js", ".css", ".svg"))
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


@pytest.fixture(params=["/", "/flows/"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Mount(request.param.rstrip("/"), routes=page_routes())])
    base = f"http://localhost{request.param}"
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=base) as opened:
        yield opened


async def test_the_document_may_load_only_what_is_ours(client: httpx2.AsyncClient) -> None:
    answer = await client.get("")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


async def test_everything_it_names_is_there_and_is_kept_for_ever(
    client: httpx2.AsyncClient,
) -> None:
    text = (await client.get("")).text
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', text)
    assert len(names) >= 3
    folder = names[0].rpartition("/")[0]
    named = {path.name for path in FILES} - {"index.html"}
    assert {name.rpartition("/")[2] for name in names} <= named
    for name in named:
        answer = await client.get(f"{folder}/{name}")
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content == (PAGE / name).read_bytes()


async def test_the_document_is_asked_for_anew_and_sent_only_if_it_is_another(
    client: httpx2.AsyncClient,
) -> None:
    first = await client.get("")
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["old/main.js", "{}/nothing.js", "{}/__init__.py", "{}/index.html"]
)
async def test_nothing_else_is_served(client: httpx2.AsyncClient, name: str) -> None:
    text = (await client.get("")).text
    found = re.search(r'src="page/([^/]+)/', text)
    assert found
    assert (await client.get(f"page/{name.format(found[1])}")).status_code == 404


async def test_whoever_asks_for_the_usual_icon_gets_ours(client: httpx2.AsyncClient) -> None:
    answer = await client.get("favicon.ico", follow_redirects=True)
    assert answer.headers["content-type"] == "image/svg+xml"


def test_nothing_comes_from_elsewhere() -> None:
    """It works offline: no address of another host stands in any file."""
    for path in FILES:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]", text), path.name


def test_data_never_becomes_markup() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
        r"|javascript:|srcdoc|createContextualFragment"
    )
    for path in FILES:
        assert not forbidden.search(path.read_text("utf-8")), path.name
    page = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", page)


def test_every_import_leads_to_a_name_that_is_there() -> None:
    for path in SCRIPTS:
        text = path.read_text("utf-8")
        imports = re.findall(r'import \{([^}]*)\} from "\./([\w.]+)"', text)
        assert len(imports) == len(re.findall(r"^import ", text, re.MULTILINE)), path.name
        for names, other in imports:
            source = (PAGE / other).read_text("utf-8")
            for name in (part.strip() for part in names.split(",")):
                exported = rf"^export (?:async )?(?:function\*?|class|const) {name}\b"
                assert re.search(exported, source, re.MULTILINE), f"{path.name}: {name} of {other}"
                used = len(re.findall(rf"\b{name}\b", text))
                assert used > 1, f"{path.name}: {name} is imported and not used"


def test_states_are_counted_in_one_order() -> None:
    """Folded tasks tell their states by digits: the place of a state in this order."""
    text = (PAGE / "words.js").read_text("utf-8")
    block = text[text.index("SIGNS = {") : text.index("};")]
    assert re.findall(r"^  (\w+):", block, re.MULTILINE) == [str(state) for state in TaskState]
