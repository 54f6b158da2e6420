"""The list of runs, starting one, who may what, and what everybody needs to use the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from callboard.workflow import RunState, TaskState

from .browsing import TOKEN, Site, in_browser

MEASURES = Path(__file__).with_name("measures.js").read_text("utf-8")


async def measured(page: Page, what: str, *given: Any) -> Any:
    """Measure what is shown, with one of the functions of that file."""
    return await page.evaluate(f"(given) => ({MEASURES}).{what}(...given)", list(given))


@in_browser
async def test_runs_are_listed_live_filtered_and_paged(site: Site) -> None:
    async with site.page() as page:
        runs = [await site.start("three", run_id=f"page-{n:02}", topic="paged") for n in range(53)]
        await page.get_by_label("Topic").fill("paged")
        total = page.locator(".pages .total")
        await expect(total).to_have_text("1–50 of 53 runs")
        await page.get_by_role("button", name="Older").click()
        await expect(total).to_have_text("51–53 of 53 runs")
        assert await page.locator("tbody tr").count() == 3
        await page.reload()
        await expect(total).to_have_text("51–53 of 53 runs")
        await page.get_by_label("Search").fill("page-07")
        await expect(total).to_have_text("1–1 of 1 run")
        row = page.locator("tbody tr")
        await expect(row).to_contain_text("▶ running")
        await runs[7].cancel("not wanted")
        await expect(row).to_contain_text("■ cancelled")
        await expect(row).to_contain_text("not wanted")
        await page.get_by_label("State").select_option("running")
        await expect(page.get_by_text("No run fits these filters.")).to_be_visible()
        await page.get_by_role("button", name="Show all runs").click()
        await page.get_by_label("Workflow").select_option("three")
        await expect(page.locator("tbody tr").first).to_contain_text("three")


@in_browser
async def test_a_run_is_started_with_typed_inputs(site: Site) -> None:
    async with site.page() as page:
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Workflow").select_option("typed")
        await expect(dialog).to_contain_text("Takes something of every type.")
        start = dialog.get_by_role("button", name="Start")
        await dialog.get_by_label("count").fill("1.5")
        await dialog.get_by_label("amount").fill("much")
        await start.click()
        for text in (
            "is missing; give a text",
            "must be a whole number, not 1.5",
            'must be a number, not the text "much"',
        ):
            await expect(dialog.get_by_text(text)).to_be_visible()
        await expect(dialog.get_by_label("name", exact=False).first).to_be_focused()
        await dialog.get_by_label("name").first.fill("Ada")
        await dialog.get_by_label("count").fill("3")
        await dialog.get_by_label("amount").fill("2.25")
        await dialog.get_by_label("Yes").check()
        await dialog.get_by_label("side").select_option(label="right")
        await dialog.get_by_label("list").fill("[1, ")
        await start.click()
        await expect(dialog.get_by_text("is no JSON")).to_be_visible()
        await dialog.get_by_label("list").fill('["a"]')
        await start.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("typed")
        run = await site.engine.get(page.url.rpartition("/")[2])
        site.handles.append(run)
        assert (await run.run()).inputs == {
            "name": "Ada",
            "amount": 2.25,
            "count": 3,
            "sure": True,
            "side": "right",
            "list": ["a"],
            "extra": None,
        }


@in_browser
async def test_what_the_server_says_of_an_input_stands_at_its_field(site: Site) -> None:
    async with site.page() as page:
        await page.get_by_role("button", name="Start a run").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Workflow").select_option("typed")
        said = ['input "name" must be nicer', "and nothing fits today"]
        await page.route(
            re.compile("/runs$"),
            lambda route: route.fulfill(status=422, json={"detail": "no", "errors": said}),
        )
        await dialog.get_by_label("name").first.fill("Ada")
        await dialog.get_by_label("count").fill("3")
        await dialog.get_by_role("button", name="Start").click()
        field = dialog.locator(".field", has=page.get_by_label("name"))
        await expect(field.first).to_contain_text("must be nicer")
        await expect(dialog.get_by_role("alert")).to_have_text("and nothing fits today")


@in_browser
async def test_a_token_is_asked_for_and_kept(site: Site) -> None:
    run = await site.start("three")
    async with site.page("guarded/") as page:
        dialog = page.get_by_role("dialog", name="A token, please")
        await dialog.get_by_label("Token").fill("wrong")
        await dialog.get_by_role("button", name="Go on").click()
        await dialog.get_by_label("Token").fill(TOKEN)
        await dialog.get_by_role("button", name="Go on").click()
        await page.get_by_role("link", name=run.id).click()
        await expect(page.locator(".node")).to_have_count(3)
        await page.reload()
        await expect(page.locator(".node")).to_have_count(3)
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert TOKEN not in page.url
        assert await page.evaluate("sessionStorage.length") == 1
        assert TOKEN not in await page.evaluate("document.cookie + JSON.stringify(localStorage)")


@in_browser
async def test_who_may_only_look_is_offered_nothing_else(site: Site) -> None:
    run = await site.start("three")
    async with site.page("viewed/") as page:
        await page.get_by_role("link", name=run.id).click()
        await expect(page.locator(".node")).to_have_count(3)
        await expect(page.get_by_role("button", name="Cancel…")).to_have_count(0)
        await page.locator(".node").first.click()
        await expect(page.locator(".panel h2")).to_have_text("open")
        await expect(page.get_by_role("button", name="Restart…")).to_have_count(0)


@in_browser
async def test_it_works_under_a_prefix(site: Site) -> None:
    run = await site.start("three")
    async with site.page("flows/") as page:
        await page.get_by_role("link", name=run.id).click()
        await expect(page.locator(".node")).to_have_count(3)
        assert page.url.startswith(f"{site.url}flows/#/runs/")
    assert f"GET /flows/api/v1/runs/{run.id}" in site.line.asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@in_browser
async def test_everything_can_be_read(site: Site, scheme: str) -> None:
    async with site.page(color_scheme=scheme) as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
        states = [str(state) for state in TaskState], [str(state) for state in RunState]
        found: dict[str, float] = await measured(page, "contrasts", *states)
        assert len(found) > 60
        assert {what: ratio for what, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("name", ["three", "states", "shapes", "hundred", "thousands"])
@in_browser
async def test_no_label_lies_on_another(site: Site, name: str) -> None:
    run = await site.start(name)
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(page.locator(".node .word").first).not_to_be_empty()
        await page.keyboard.press("0")
        assert await measured(page, "overlaps") == []


@in_browser
async def test_whoever_does_not_see_finds_their_way(site: Site) -> None:
    run = await site.start("states")
    async with site.page() as page:
        await expect(page.get_by_role("link", name=run.id)).to_be_visible()
        assert await measured(page, "unnamed") == []
        for role in ("banner", "main", "navigation", "search"):
            assert await page.get_by_role(role).count() >= 1, role
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.goto(f"{site.url}#/runs/{run.id}")
        first = page.locator('.node[data-id="waits-for-all-of-them"]')
        label = "waits for all of them, pending; runs after asks, on-the-board"
        await expect(first).to_have_attribute("aria-label", label)
        await expect(page.get_by_role("application")).to_have_attribute(
            "aria-label", re.compile("The tab Tasks lists the same")
        )
        for tab in ("Tasks", "Events", "Logs"):
            await page.get_by_role("tab", name=tab).click()
            assert await measured(page, "unnamed") == [], tab
        await page.get_by_role("tab", name="Tasks").click()
        grid = page.get_by_role("grid", name="Tasks")
        await expect(grid).to_have_attribute("aria-rowcount", "10")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


async def _violate(site: Site) -> None:
    async with site.page() as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
        await page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.pwned = 1";
                document.head.append(script);
            }"""
        )
        assert await page.evaluate("window.pwned") is None


@in_browser
async def test_what_the_policy_forbids_is_stopped_and_noticed(site: Site) -> None:
    """The other tests can only tell that nothing was violated because this would be."""
    with pytest.raises(AssertionError, match="Content Security Policy"):
        await _violate(site)


async def _paper(page: Page) -> Any:
    return await page.evaluate("getComputedStyle(document.body).backgroundColor")


@in_browser
async def test_the_theme_follows_the_system_until_it_is_chosen(site: Site) -> None:
    async with site.page(color_scheme="light") as page:
        light = await _paper(page)
        await page.emulate_media(color_scheme="dark")
        dark = await _paper(page)
        assert dark != light
        switch = page.get_by_role("button", name="Colours")
        await switch.click()
        assert await _paper(page) == light
        await page.reload()
        await expect(switch).to_be_visible()
        assert await _paper(page) == light
        await switch.click()
        assert await _paper(page) == dark


@in_browser
async def test_nothing_moves_for_whoever_wants_no_motion(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}", reduced_motion="reduce") as page:
        await expect(page.locator(".node")).to_have_count(3)
        moving = await page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((each) => {
                const { transitionDuration, animationName } = getComputedStyle(each);
                return parseFloat(transitionDuration) > 0 || animationName !== "none";
            }).length"""
        )
        assert moving == 0
