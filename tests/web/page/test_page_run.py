"""One run in the browser: it is live, it does not jump, and one can act on it."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest
from playwright.async_api import Locator, Page, expect

from .browsing import Site, in_browser
from .flows import EVIL


def node(page: Page, name: str) -> Locator:
    return page.locator(f'.node[data-id="{name}"]')


async def boxes(page: Page) -> dict[str, Any]:
    """Tell where each node is on the screen."""
    found: dict[str, Any] = await page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".node .body")].map((body) => {
            const { x, y, width, height } = body.getBoundingClientRect();
            return [body.parentNode.dataset.id, [x, y, width, height].map(Math.round)];
        }))"""
    )
    return found


def graphs_asked(site: Site, run: str) -> int:
    return sum(f"/runs/{run}/graph" in each for each in site.line.asked)


@in_browser
async def test_states_come_by_themselves_and_move_nothing(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(node(page, "open")).to_have_class(re.compile("s-ready"))
        await expect(node(page, "send")).to_contain_text("· pending")
        await page.evaluate("window.same = true")
        before = await boxes(page)
        assert len(before) == 3
        await site.do("open")
        await expect(node(page, "open")).to_contain_text("✓ succeeded")
        await expect(node(page, "review")).to_have_class(re.compile("s-ready"))
        await expect(page.locator(".done")).to_contain_text("33 % of 3 tasks")
        await site.do("review")
        await expect(page.locator(".done")).to_contain_text("66 % of 3 tasks")
        assert await boxes(page) == before
        assert graphs_asked(site, run.id) == 1
        await site.do("send")
        await expect(page.locator(".head .badge")).to_have_text("✓ succeeded")
        await expect(page.locator(".done")).to_contain_text("100 % of 3 tasks")
        await expect(page.locator("#said")).to_contain_text("succeeded")
        assert await boxes(page) == before
        assert await page.evaluate("window.same")


@in_browser
async def test_what_comes_leaves_in_its_place_what_one_looks_at(site: Site) -> None:
    run = await site.start("shapes")
    async with site.page(f"#/runs/{run.id}") as page:
        hole = page.locator(".node.hole", has_text="N → M or J → K")
        await expect(hole).to_contain_text("one of these comes")
        dashes = await hole.locator(".body").evaluate("e => getComputedStyle(e).strokeDasharray")
        assert dashes != "none"
        owed = page.locator(".promises li", has_text="at least 1 fetch")
        await expect(owed).to_contain_text("◐ owed")
        await node(page, "plan").click()
        await page.get_by_role("button", name="Closer").click()
        before = (await boxes(page))["plan"]
        async with site.engine.claim(["plan"], wait=5) as lease:
            assert lease is not None
            await lease.add("N")
            await lease.add("fetch")
            await expect(node(page, "plan/N-1")).to_contain_text("pending")
            await expect(hole).to_have_count(0)
            assert (await boxes(page))["plan"] == before
            await lease.success()
        await page.keyboard.press("Escape")
        await expect(owed).to_contain_text("✓ settled")


@in_browser
async def test_two_clicks_lead_from_the_list_to_live_logs(site: Site) -> None:
    run = await site.start("three")
    async with site.engine.claim(["open"], wait=5) as lease:
        assert lease is not None
        await lease.log("before anybody looked")
        async with site.page() as page:
            await page.get_by_role("link", name=f"run {run.id}").click()
            await node(page, "open").click()
            lines = page.locator(".panel .lines")
            await expect(lines).to_contain_text("before anybody looked")
            await lease.log("while somebody looked")
            await expect(lines).to_contain_text("while somebody looked")
            await expect(page.locator(".panel .badge").first).to_have_text("▶ running")
        await lease.success()


@in_browser
async def test_a_lost_line_is_told_and_found_again(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(node(page, "open")).to_contain_text("ready")
        site.line.cut()
        await expect(page.get_by_text("reconnecting…")).to_be_visible()
        await site.do("open")
        await expect(node(page, "open")).to_contain_text("ready")
        site.line.asked.clear()
        site.line.mend()
        await expect(node(page, "open")).to_contain_text("✓ succeeded")
        await expect(page.get_by_text("reconnecting…")).to_be_hidden()
        assert graphs_asked(site, run.id) == 0


@in_browser
async def test_a_question_is_answered_in_a_form_made_from_its_schema(site: Site) -> None:
    run = await site.start("states")
    async with site.page(f"#/runs/{run.id}") as page:
        await node(page, "asks").click()
        form = page.locator("form.wait")
        await expect(form).to_contain_text("How many may be sent?")
        send = form.get_by_role("button", name="Answer")
        await send.click()
        await expect(form.get_by_text("is missing; give a whole number")).to_be_visible()
        await form.get_by_label("count").fill("two")
        await send.click()
        await expect(form.get_by_text('must be a whole number, not the text "two"')).to_be_visible()
        await form.get_by_label("count").fill("0")
        await send.click()
        await expect(form.get_by_text("must be at least 1")).to_be_visible()
        await expect(form.get_by_label("count")).to_have_attribute("aria-invalid", "true")
        await form.get_by_label("count").fill("2")
        await form.get_by_label("Yes").check()
        await send.click()
        await expect(form).to_have_count(0)
        await expect(node(page, "asks")).to_contain_text("succeeded")
        answered = (await run.run()).tasks["asks"]
        assert answered.output == {"count": 2, "sure": True}


@in_browser
async def test_a_run_is_paused_unpaused_and_cancelled(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator(".head .badge")).to_have_text("▶ running · paused")
        await page.get_by_role("button", name="Unpause").click()
        await expect(page.locator(".head .badge")).to_have_text("▶ running")
        await page.get_by_role("button", name="Cancel…").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert not (await run.run()).ended
        await page.get_by_role("button", name="Cancel…").click()
        await page.get_by_label("Reason (for the record)").fill("nobody needs it")
        await page.get_by_role("button", name="Cancel the run").click()
        await expect(page.locator(".head .badge")).to_have_text("■ cancelled")
        await expect(page.locator(".head .reason")).to_have_text("nobody needs it")
        await expect(page.get_by_role("button", name="Cancel…")).to_have_count(0)
        await expect(node(page, "open")).to_contain_text("■ cancelled")


@in_browser
async def test_a_task_is_restarted_and_settled(site: Site) -> None:
    run = await site.start("states")
    async with site.page(f"#/runs/{run.id}?task=fails-badly") as page:
        panel = page.locator(".panel")
        await expect(panel.locator(".failure")).to_contain_text("exit code 3")
        await expect(panel.locator(".lines")).to_contain_text("about to fail")
        await panel.get_by_role("button", name="Settle…").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Output, as JSON").fill("{not json")
        await dialog.get_by_role("button", name="Settle").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("no JSON")
        await dialog.get_by_label("Output, as JSON").fill('{"by": "hand"}')
        await dialog.get_by_role("button", name="Settle").click()
        await expect(node(page, "fails-badly")).to_contain_text("✓ succeeded")
        await expect(panel).to_contain_text('"by": "hand"')
        await panel.get_by_role("button", name="Restart…").click()
        await page.get_by_role("dialog").get_by_role("button", name="Restart").click()
        await expect(node(page, "fails-badly")).to_contain_text("✗ failed")
        await expect(panel).to_contain_text("Generation")
        assert (await run.run()).tasks["fails-badly"].generation == 2


@in_browser
async def test_what_is_refused_is_told_in_words(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await page.get_by_role("button", name="Promise…").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Promise", exact=True).fill("at most no nonsense")
        await dialog.get_by_role("button", name="Promise").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("at most no nonsense")
        await dialog.get_by_label("Promise", exact=True).fill("no new tasks")
        await dialog.get_by_role("button", name="Promise").click()
        await expect(page.locator(".promises")).to_contain_text("no new tasks")


@in_browser
async def test_the_slider_goes_back_and_returns(site: Site) -> None:
    run = await site.start("three")
    for label in ("open", "review"):
        await site.do(label)
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(node(page, "review")).to_contain_text("succeeded")
        before = await boxes(page)
        slider = page.get_by_role("slider")
        await slider.focus()
        await page.keyboard.press("Home")
        await expect(page.get_by_text("You see the run as it was.")).to_be_visible()
        await expect(node(page, "open")).to_contain_text("ready")
        await expect(page.locator(".done")).to_contain_text("0 % of 3 tasks")
        await expect(page.locator(".told")).to_contain_text("event 1 of 5")
        assert {name: box[2:] for name, box in (await boxes(page)).items()} == {
            name: box[2:] for name, box in before.items()
        }
        await page.keyboard.press("ArrowRight")
        await expect(node(page, "open")).to_contain_text("▶ running")
        await expect(page.locator(".told")).to_contain_text("open: attempt 1 started")
        await site.do("send")
        await expect(node(page, "send")).to_contain_text("pending")
        await page.get_by_role("button", name="live").click()
        await expect(node(page, "send")).to_contain_text("✓ succeeded")
        assert await boxes(page) == before
        await page.get_by_role("tab", name="Events").click()
        await page.locator(".row", has_text="review: attempt 1 started").click()
        await page.get_by_role("tab", name="Tasks").click()
        await expect(page.locator(".p-tasks .row", has_text="review")).to_contain_text("▶ running")


@in_browser
async def test_the_graph_is_walked_with_the_keyboard(site: Site) -> None:
    run = await site.start("states")
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(node(page, "succeeds")).to_contain_text("succeeded")

        async def focused() -> str | None:
            found: str | None = await page.evaluate("document.activeElement.dataset?.id ?? null")
            return found

        await node(page, "succeeds").focus()
        assert await page.locator(".node[tabindex='0']").count() == 1
        await page.keyboard.press("ArrowDown")
        below = await focused()
        assert below in ("asks", "skipped")
        await page.keyboard.press("ArrowUp")
        assert await focused() == "succeeds"
        await page.keyboard.press("ArrowDown")
        assert await focused() == below
        other = {"asks", "skipped"} - {below}
        for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
            await page.keyboard.press(key)
            if await focused() in other:
                break
        assert await focused() in other | {"on-the-board", "behind-it", "tried-again", below}
        await node(page, "asks").focus()
        await page.keyboard.press("ArrowDown")
        assert await focused() == "waits-for-all-of-them"
        await page.keyboard.press("Enter")
        await expect(page.locator(".panel h2")).to_have_text("waits for all of them")
        await page.keyboard.press("Escape")
        await expect(page.locator(".panel h2")).to_have_text("The run")
        await page.keyboard.press("t")
        await expect(page.get_by_role("tab", name="Tasks")).to_have_attribute(
            "aria-selected", "true"
        )
        await page.keyboard.press("End")
        await page.keyboard.press("Enter")
        await expect(page.locator(".panel h2")).to_contain_text("the last one")
        await page.keyboard.press("/")
        await page.keyboard.type("skipp")
        await page.keyboard.press("Enter")
        await expect(page.locator(".panel h2")).to_have_text("skipped")


@in_browser
async def test_a_name_that_wants_to_be_markup_is_text(site: Site) -> None:
    run = await site.start(f"evil {EVIL}")
    async with site.engine.claim([EVIL], wait=5) as lease:
        assert lease is not None
        await lease.log(EVIL)
        await lease.progress(0.5, EVIL, {EVIL: EVIL})
        await lease.success({EVIL: [EVIL]})
    async with site.engine.claim([f"{EVIL} again"], wait=5) as lease:
        assert lease is not None
        await lease.error(EVIL)
    async with site.page() as page:
        await expect(page.locator("td.name").first).to_contain_text("<img src=x")
        await page.get_by_role("link", name=run.id).click()
        await page.locator(".node").first.click()
        panel = page.locator(".panel")
        await expect(panel.locator(".lines")).to_contain_text("<script>")
        await expect(panel.locator("pre").first).to_contain_text("<img src=x")
        for key in ("t", "e", "l", "g"):
            await page.keyboard.press(key)
        await page.locator(".node").last.click()
        await expect(panel.locator(".failure")).to_contain_text("<img src=x")
        assert await page.evaluate("window.pwned") is None
        assert await page.locator("img, main script").count() == 0


@in_browser
async def test_a_picture_is_downloaded(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await page.locator("summary", has_text="Picture").click()
        async with page.expect_download() as started:
            await page.get_by_role("button", name="Download the picture as svg").click()
        download = await started.value
        assert download.suggested_filename == f"three-{run.id}.svg"


@in_browser
async def test_without_a_layout_the_list_is_shown(site: Site) -> None:
    run = await site.start("three")
    async with site.page() as page:
        await page.route(
            re.compile("/graph"),
            lambda route: route.fulfill(status=501, json={"detail": "nothing here draws"}),
        )
        await page.get_by_role("link", name=run.id).click()
        await expect(page.locator(".row", has_text="review")).to_contain_text("pending")
        await site.do("open")
        await expect(page.locator(".row", has_text="open")).to_contain_text("✓ succeeded")
        await page.get_by_role("tab", name="Graph").click()
        await expect(page.get_by_text("nothing here draws")).to_be_visible()


@in_browser
async def test_the_graph_is_moved_by_the_mouse_and_that_opens_nothing(site: Site) -> None:
    run = await site.start("three")
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(node(page, "review")).to_contain_text("pending")
        x, y, width, height = (await boxes(page))["review"]
        await page.mouse.move(x + width / 2, y + height / 2)
        await page.mouse.down()
        await page.mouse.move(x + width / 2 + 60, y + height / 2 + 40, steps=3)
        await page.mouse.up()
        assert (await boxes(page))["review"] == [x + 60, y + 40, width, height]
        await expect(page.locator(".panel h2")).to_have_text("The run")
        await page.get_by_role("button", name="Farther").click()
        assert (await boxes(page))["review"][2] < width
        await page.get_by_role("button", name="Show all of it").click()
        await node(page, "review").click()
        await expect(page.locator(".panel h2")).to_have_text("review")


@in_browser
async def test_what_is_folded_can_be_seen_one_by_one(site: Site) -> None:
    run = await site.start("wide")
    await site.do("prepare")
    async with site.page(f"#/runs/{run.id}") as page:
        await expect(page.locator(".node")).to_have_count(3)
        await expect(page.locator(".node.fold")).to_contain_text("○ all ready · 0 % done")
        await page.get_by_label("each task").check()
        await expect(page.locator(".node")).to_have_count(22)
        await site.do("fetch 3")
        await expect(node(page, "fetch 3")).to_contain_text("✓ succeeded")
        await page.get_by_label("each task").uncheck()
        await expect(page.locator(".node.fold")).to_contain_text("19 ready · 5 % done")


@in_browser
async def test_a_page_that_nobody_sees_gives_up_its_line(site: Site) -> None:
    run = await site.start("three")
    async with site.page() as page:
        await page.clock.install()
        await page.get_by_role("link", name=run.id).click()
        await expect(node(page, "open")).to_contain_text("ready")
        hide = """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        await page.evaluate(hide, True)
        await page.clock.fast_forward("00:21")
        with anyio.fail_after(10):
            while site.line.streams:  # noqa: ASYNC110 - the browser tells when it has let go
                await anyio.sleep(0.02)
        await site.do("open")
        await expect(node(page, "open")).to_contain_text("ready")
        await page.evaluate(hide, False)
        await page.clock.run_for(1000)
        await expect(node(page, "open")).to_contain_text("✓ succeeded")
        await expect(page.get_by_text("reconnecting…")).to_be_hidden()


@in_browser
async def test_five_thousand_tasks_stay_smooth(site: Site, request: pytest.FixtureRequest) -> None:
    run = await site.start("thousands")
    async with site.page(f"#/runs/{run.id}") as page:
        fold = page.locator(".node.fold")
        await expect(fold).to_contain_text("fetch ×4,998")
        assert await page.locator(".node").count() == 3
        await site.do("prepare")
        await site.do("fetch 7")
        await expect(page.locator(".counts")).to_contain_text("✓ 2 succeeded")
        await expect(fold).to_contain_text("4,997 ready")
        await fold.click()
        rows = page.locator(".row")
        await expect(page.locator(".p-tasks .total")).to_have_text("4,998 of 5,000 tasks")
        assert await rows.count() < 60
        await page.get_by_label("Find a task").fill("fetch 4997")
        await expect(page.locator(".p-tasks .total")).to_have_text("1 of 5,000 tasks")
        await rows.first.click()
        await expect(page.locator(".panel h2")).to_have_text("fetch 4997")
        await page.get_by_label("Find a task").fill("")
        await page.get_by_role("button", name="Show all tasks").click()
        scroller = page.locator(".p-tasks .scroller")
        slowest = await scroller.evaluate(
            """async (box) => {
                let slowest = 0;
                for (let at = 0; at <= 20; at += 1) {
                    const began = performance.now();
                    box.scrollTop = (box.scrollHeight * at) / 20;
                    await new Promise(requestAnimationFrame);
                    slowest = Math.max(slowest, performance.now() - began);
                }
                return slowest;
            }"""
        )
        request.node.user_properties.append(("slowest_frame_ms", slowest))
        assert slowest < 1000
        await expect(rows.filter(has_text="gather")).to_be_visible()
        await page.get_by_role("button", name="State").click()
        await expect(rows.first).to_be_attached()
        painted = await page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
        )
        request.node.user_properties.append(("first_contentful_paint_ms", painted))
