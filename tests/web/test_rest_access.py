"""Who may do what, from where, how often and how much; and where the application is mounted."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

import callboard as cb
from callboard.web import Who, _endpoint, _endpoints, _health, _kept
from callboard.workflow import RunOwned, StoreError

from .conforming import conforms
from .conftest import within
from .service import ONE, serving, spec

ROLES = ("view", "operate", "worker", "admin")

WANTED: dict[str, str] = {
    "GET /health": "",
    "GET /metrics": "view",
    "GET /api/v1/openapi.json": "",
    "GET /api/v1/docs": "",
    "GET /api/v1/status": "view worker",
    "GET /api/v1/runs": "view",
    "POST /api/v1/runs": "operate",
    "GET /api/v1/runs/{run}": "view",
    "DELETE /api/v1/runs/{run}": "admin",
    "POST /api/v1/runs/{run}/pause": "operate",
    "POST /api/v1/runs/{run}/unpause": "operate",
    "POST /api/v1/runs/{run}/cancel": "operate",
    "POST /api/v1/runs/{run}/promise": "operate",
    "GET /api/v1/runs/{run}/tasks": "view",
    "GET /api/v1/runs/{run}/tasks/{task}": "view",
    "POST /api/v1/runs/{run}/tasks/{task}/restart": "operate",
    "POST /api/v1/runs/{run}/tasks/{task}/answer": "operate",
    "POST /api/v1/runs/{run}/tasks/{task}/settle": "operate",
    "GET /api/v1/runs/{run}/events": "view",
    "GET /api/v1/runs/{run}/logs": "view",
    "GET /api/v1/runs/{run}/why": "view",
    "GET /api/v1/runs/{run}/picture": "view",
    "GET /api/v1/runs/{run}/graph": "view",
    "GET /api/v1/events": "view",
    "GET /api/v1/board": "view worker",
    "POST /api/v1/board/claim": "worker",
    "GET /api/v1/leases/{fence}": "worker",
    "POST /api/v1/leases/{fence}/commands": "worker",
}
"""Who may, as the reference says; what is not here is looked at by its method alone."""

INCLUDES = {
    "view": {"view"},
    "operate": {"view", "operate"},
    "worker": {"worker"},
    "admin": set(ROLES),
}


ENDLESS = ("changes", "get_graph")
"""What goes on and on; and what is of no use without a run."""


async def by_header(request: Request) -> Who | None:
    """The host application's login: whoever says who they are."""
    role = request.headers.get("x-role")
    return None if role is None else Who(f"a {role}", (role,) if role != "none" else ())


def test_every_endpoint_has_the_role_that_the_reference_says() -> None:
    found = {f"{each.method} {each.path}": each for each in _endpoints.ENDPOINTS}
    assert WANTED.keys() <= found.keys()
    for name, endpoint in found.items():
        role = endpoint.role
        said = " ".join((role,) if isinstance(role, str) else role or ())
        if name in WANTED:
            assert said == WANTED[name], name
        elif endpoint.method == "GET":
            assert said, f"{name} is open to everybody"
        else:
            assert set(said.split()) & {"operate", "admin"}, f"{name} may be done by {said}"


def test_whatever_is_done_is_audited() -> None:
    for each in _endpoints.ENDPOINTS:
        spoken = each.path.startswith(("/api/v1/leases", "/api/v1/board"))
        assert each.audited == (each.method != "GET" and not spoken), each.name


async def test_each_role_gets_where_it_may_and_no_further() -> None:
    async with serving("memory:", ONE, asgi={"authorize": by_header, "rate": None}) as service:
        for endpoint in _endpoints.ENDPOINTS:
            path = endpoint.path.format(
                **dict.fromkeys(("run", "task", "fence", "name", "topic", "job", "owner"), "x"),
                **({"id": "x"} if "{id}" in endpoint.path else {}),
            )
            wanted = endpoint.role
            for role in (*ROLES, "none"):
                if endpoint.name in ENDLESS and role in ("view", "operate", "admin"):
                    continue
                response = await service.client.request(
                    endpoint.method, path, headers={"x-role": role}
                )
                roles = {wanted} if isinstance(wanted, str) else set(wanted or ())
                may = not roles or bool(INCLUDES.get(role, set()) & roles)
                assert (response.status_code == 403) == (not may), (endpoint.name, role)
                if not may:
                    problem = response.json()
                    assert problem["type"] == "urn:callboard:forbidden"
                    assert f"'a {role}'" in problem["detail"]
            response = await service.client.request(endpoint.method, path)
            if wanted is not None:
                assert response.status_code == 401, endpoint.name
                assert response.headers["www-authenticate"].startswith("Bearer")


async def test_the_host_of_the_application_names_who_asks() -> None:
    async with serving("memory:", ONE, asgi={"authorize": by_header}) as service:
        status = await service.get("/status", headers={"x-role": "operate"})
        assert status["who"] == {"name": "a operate", "roles": ["operate"], "owner": None}


@pytest.mark.parametrize("client", ["10.1.2.3", "192.168.0.5", "2001:db8::1", "8.8.8.8"])
async def test_without_a_token_only_this_machine_may_ask(client: str) -> None:
    async with cb.Engine("memory:") as engine, within(engine, client=client) as other:
        response = await other.get("/api/v1/status")
        assert response.status_code == 401
        assert "only this machine may ask" in response.json()["detail"]
        assert (await other.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost?",
        "localhost#x",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "[::1",
        "evil.example:80",
        "127.0.0.1@evil.example",
        "evil#localhost",
        "localhost/../evil.example",
    ],
)
async def test_a_name_that_was_made_to_lead_here_is_not_this_machine(host: str) -> None:
    async with cb.Engine("memory:") as engine, within(engine) as client:
        response = await client.get("/api/v1/status", headers={"host": host})
        assert response.status_code == 401, response.json()


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "127.8.8.8", "a.localhost"],
)
async def test_names_of_this_machine(host: str) -> None:
    async with cb.Engine("memory:") as engine, within(engine) as client:
        response = await client.get("/api/v1/status", headers={"host": host})
        assert response.status_code == 200
        assert response.json()["who"]["name"] == "local"


@pytest.mark.parametrize("client", ["::1", "127.0.0.1", "::ffff:127.0.0.1"])
async def test_addresses_of_this_machine(client: str) -> None:
    async with cb.Engine("memory:") as engine, within(engine, client=client) as other:
        assert (await other.get("/api/v1/status")).status_code == 200


@pytest.mark.parametrize("value", ["Bearer nobodys", "Basic dXNlcjpwYXNz", "Bearer", "nobodys"])
async def test_a_token_that_is_none(value: str) -> None:
    async with cb.Engine("memory:") as engine, within(engine) as client:
        response = await client.get("/api/v1/status", headers={"authorization": value})
        assert response.status_code == 401, "also from this machine"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:99"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
)
async def test_what_a_page_of_another_site_sends_is_refused(headers: dict[str, str]) -> None:
    async with serving("memory:", ONE) as service:
        body = {"workflow": "one"}
        problem = await service.post("/runs", body, headers=headers, status=403)
        assert problem["type"] == "urn:callboard:cross_site"
        assert (await service.get("/runs"))["total"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost"},
        {"origin": "https://localhost", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_what_our_own_page_sends_is_taken(headers: dict[str, str]) -> None:
    async with serving("memory:", ONE) as service:
        await service.post("/runs", {"workflow": "one"}, headers=headers, status=201)


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
async def test_a_body_of_another_type(media: str) -> None:
    async with serving("memory:", ONE) as service:
        response = await service.client.post(
            "/api/v1/runs", content=b'{"workflow": "one"}', headers={"content-type": media}
        )
        assert response.status_code == 415
        assert "application/json" in response.json()["detail"]
        assert (await service.get("/runs"))["total"] == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff",
        b"{'a': 1}",
        b'{"workflow": NaN}',
        b'{"workflow": "\\ud800"}',
        b"[" * 100_000,
        b'{"workflow": "one"} x',
        b"\xef\xbb\xbf{}",
    ],
)
async def test_a_body_that_is_no_json(content: bytes) -> None:
    async with serving("memory:", ONE) as service:
        response = await service.client.post(
            "/api/v1/runs", content=content, headers={"content-type": "application/json"}
        )
        assert response.status_code == 400
        assert "the body is not JSON" in response.json()["detail"]


async def test_a_body_where_none_is_taken() -> None:
    async with serving("memory:", ONE) as service:
        run = await service.start("one")
        problem = await service.post(f"/runs/{run}/pause", {"a": 1}, status=400)
        assert "takes no body" in problem["detail"]


async def test_a_body_that_is_too_large() -> None:
    large = b'{"workflow": "' + b"x" * (_endpoint.BODY_BYTES_MAX) + b'"}'
    json = {"content-type": "application/json"}
    async with serving("memory:", ONE) as service:
        told = await service.client.post("/api/v1/runs", content=large, headers=json)
        assert told.status_code == 413
        assert told.json()["detail"] == "the body is larger than 8 MiB"


async def test_a_body_that_goes_on_and_on() -> None:
    chunk = b" " * 65536
    read = 0
    sent: list[Any] = []

    async def receive() -> Any:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/runs",
        "raw_path": b"/api/v1/runs",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }
    async with cb.Engine("memory:") as engine:
        app: Any = engine.asgi(page=False)
        await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert read <= _endpoint.BODY_BYTES_MAX // len(chunk) + 1, "no more is read than is allowed"


async def test_what_is_not_served_says_what_is() -> None:
    async with serving("memory:", ONE) as service:
        response = await service.answer("DELETE", "/runs")
        assert response.status_code == 405
        assert set(response.headers["allow"].replace(" ", "").split(",")) >= {"GET", "POST"}
        assert "DELETE is not served here" in response.json()["detail"]
        for path in ("/nothing", "/runs/x/y", "/"):
            problem = await service.get(path, status=404)
            assert problem["type"] == "urn:callboard:unknown"
            assert "/api/v1/docs" in problem["detail"]


async def test_too_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("memory:", ONE, asgi={"rate": 1.0}) as service:
        for _ in range(2):
            await service.get("/runs")
        response = await service.answer("GET", "/runs")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert "more than 1 requests a second" in response.json()["detail"]


async def test_whoever_makes_up_tokens_is_one_client() -> None:
    async with serving("memory:", ONE, asgi={"rate": 1.0}) as service:
        secret = await service.engine.registry.tokens.add("ci", ["view"])
        known = {"authorization": f"Bearer {secret}"}

        async def ask(headers: dict[str, str]) -> int:
            return (await service.answer("GET", "/runs", headers=headers)).status_code

        assert await ask(known) == 200
        made_up = [{"authorization": f"Bearer callboard_{number}"} for number in range(10)]
        statuses = [await ask(each) for each in made_up]
        assert statuses == [401] + [429] * 9
        assert await ask({}) == 429
        # Who is known is counted apart, and served.
        assert [await ask(known) for _ in range(3)] == [200, 200, 429]


async def test_nothing_is_kept_of_tokens_that_are_made_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("memory:", ONE, asgi={"rate": None}) as service:
        registry = service.engine.registry
        known: _kept.Kept[str, Who | None] = _kept.Kept(registry.tokens.find)
        secret = await registry.tokens.add("ci", ["view"])
        for token in (secret, "callboard_x", "x" * 10_000):
            await known.get(token)
        assert list(known._known) == [secret]
        await registry.tokens.remove("ci")
        monkeypatch.setattr(_kept, "KEPT_SECONDS", 0.0)
        assert await known.get(secret) is None
        assert list(known._known) == []


@pytest.mark.parametrize(
    "header",
    [
        {"forwarded": "for=192.0.2.60;proto=https"},
        {"x-forwarded-for": "192.0.2.60"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-proto": "https"},
        {"x-forwarded-host": "flows.example"},
        {"x-real-ip": "192.0.2.60"},
        {"via": "1.1 proxy"},
    ],
)
async def test_what_a_proxy_on_this_machine_passes_on_is_not_from_it(
    header: dict[str, str],
) -> None:
    async with cb.Engine("memory:") as engine, within(engine) as client:
        assert (await client.get("/api/v1/status")).status_code == 200
        response = await client.get("/api/v1/status", headers=header)
        assert response.status_code == 401
        assert "only this machine may ask" in response.json()["detail"]


async def test_it_is_mounted_below_a_path_without_a_lifespan() -> None:
    async with cb.Engine("memory:", workflows=[spec(ONE)]) as engine:
        app = Starlette(routes=[Mount("/flows", engine.asgi(page=False))])
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx2.AsyncClient(
            transport=transport,
            base_url="http://localhost/flows",
            event_hooks={"response": [conforms]},
        ) as client:
            assert (await client.get("/health")).json()["status"] == "ok"
            started = await client.post("/api/v1/runs", json={"workflow": "one"})
            assert started.status_code == 201
            location = started.headers["location"]
            assert location.startswith("/flows/api/v1/runs/")
            shown = await client.get(f"http://localhost{location}")
            assert shown.json()["state"] == "running"
            document = (await client.get("/api/v1/openapi.json")).json()
            assert document["servers"] == [{"url": "/flows"}]
            assert "/flows/api/v1/runs" in (await client.get("/api/v1/docs")).text


async def test_an_engine_that_is_not_open() -> None:
    engine = cb.Engine("memory:", workflows=[spec(ONE)])
    async with within(engine) as client:
        for opened in (False, True):
            if opened:
                async with engine:
                    assert (await client.get("/api/v1/runs")).status_code == 200
            for path in ("/api/v1/runs", "/api/v1/status", "/metrics"):
                response = await client.get(path)
                assert response.status_code == 503
                assert response.headers["retry-after"] == "2"
                assert "the engine is not open" in response.json()["detail"]
            response = await client.post("/api/v1/runs", json={"workflow": "one"})
            assert response.status_code == 503
            health = await client.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "closing")
            assert (await client.get("/api/v1/openapi.json")).status_code == 200


async def test_figures_for_prometheus() -> None:
    async with serving("memory:", ONE) as service:
        await service.start("one")
        await service.get("/runs/nowhere", status=404)
        text = (await service.client.get("/metrics")).text
        for line in (
            'callboard_runs{state="running"} 1',
            "callboard_board_offers 1",
            'callboard_http_requests_total{endpoint="start_run",method="POST",status="201"} 1',
            'callboard_http_requests_total{endpoint="get_run",method="GET",status="404"} 1',
        ):
            assert line in text.splitlines()
        for line in text.splitlines():
            assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2


async def test_the_answer_to_a_bug_says_so_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with cb.Engine("memory:") as engine:
        app: Any = engine.asgi(page=False)

        async def broken(*_: Any) -> Any:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(engine.store, "runs", broken)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            response = await client.get("/api/v1/runs")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "secret" not in response.text
        assert "a secret" in caplog.text


async def test_a_store_that_fails_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("memory:", ONE) as service:

        async def broken(*_: Any) -> Any:
            raise StoreError("the disk is full")

        monkeypatch.setattr(service.engine.store, "runs", broken)
        problem = await service.get("/runs", status=503)
        assert problem["detail"] == "the disk is full"
        health = await service.client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "stuck")


async def test_a_store_that_hangs_is_told_of_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []
    healed = anyio.Event()

    async def hanging(*_: Any) -> None:
        begun.append(anyio.current_time())
        with anyio.CancelScope(shield=True):  # as a commit is
            await healed.wait()

    async with serving("memory:", ONE, grace=0) as service:
        commit = service.engine.store.commit
        monkeypatch.setattr(_health, "STUCK_SECONDS", 0.05)
        monkeypatch.setattr(service.engine.store, "commit", hanging)
        for _ in range(2):
            with anyio.fail_after(2):
                health = await service.client.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "stuck")
            assert "did not answer within" in health.json()["detail"]
        assert len(begun) == 1, "one look is under way at most"
        monkeypatch.setattr(service.engine.store, "commit", commit)
        monkeypatch.setattr(_health, "STUCK_SECONDS", 5.0)
        healed.set()
        await anyio.lowlevel.checkpoint()
        assert (await service.client.get("/health")).status_code == 200


async def test_what_was_done_is_told_even_if_it_cannot_be_audited(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(**_: str) -> None:
        raise StoreError("the disk is full")

    async with serving("memory:", ONE, grace=0) as service:
        monkeypatch.setattr(service.engine.registry.audit, "note", broken)
        with caplog.at_level(logging.ERROR, "callboard.web"):
            run = await service.start("one")
        assert (await service.get("/runs"))["total"] == 1
    assert "'local' did 'start_run'" in caplog.text
    assert "the disk is full" in caplog.text
    assert run


async def test_an_engine_that_closes_meanwhile_does_not_say_that_nothing_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("memory:", ONE) as service:
        engine = service.engine

        async def closing(*_: Any, **__: Any) -> Any:
            monkeypatch.setattr(type(engine), "is_open", False)
            raise StoreError("it was closed")

        run = await service.start("one")
        monkeypatch.setattr(engine, "command", closing)
        problem = await service.post(f"/runs/{run}/cancel", status=503)
        assert problem["type"] == "urn:callboard:cut_short"
        assert "not known" in problem["detail"]
        problem = await service.post(f"/runs/{run}/cancel", status=503)
        assert problem["type"] == "urn:callboard:closed"
        monkeypatch.undo()


async def test_an_owner_that_does_not_answer_may_still_do_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("memory:", ONE) as service:

        async def silent(*_: Any, **__: Any) -> Any:
            raise RunOwned("it is engine e's", run_id="r", owner="e", posted=True)

        run = await service.start("one")
        monkeypatch.setattr(service.engine, "command", silent)
        problem = await service.post(f"/runs/{run}/cancel", status=504)
        assert problem["type"] == "urn:callboard:unanswered"
        assert problem["detail"] == "it is engine e's"


async def test_names_in_the_audit_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[dict[str, str]] = []

    async def note(**fields: str) -> None:
        notes.append(fields)

    async with serving("memory:", ONE, asgi={"authorize": by_header}) as service:
        monkeypatch.setattr(service.engine.registry.audit, "note", note)
        operate = {"x-role": "operate"}
        run = (await service.post("/runs", {"workflow": "one"}, headers=operate, status=201))["run"]
        await service.get("/runs", headers=operate)
        await service.post(f"/runs/{run}/pause", headers=operate)
        events = (await service.get(f"/runs/{run}/events", headers=operate))["items"]
        assert any(each.get("by") == "a operate" for each in events)
    assert [(each["who"], each["action"]) for each in notes] == [
        ("a operate", "start_run"),
        ("a operate", "pause_run"),
    ]
