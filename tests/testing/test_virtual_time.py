"""Virtual time: nothing waits for real but for the world outside, and nothing overtakes it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeAlias

import anyio
import pytest
from anyio import from_thread, to_thread
from anyio.lowlevel import checkpoint, current_token

from callboard import testing

Backend: TypeAlias = Literal["asyncio", "trio"]
Call: TypeAlias = Callable[[], Awaitable[object]]

WEEK = 7 * 24 * 3600.0
SHORT = 0.05  # real seconds: long beside a jump, short beside a test


@pytest.fixture(params=testing.virtual_backends(patience=20), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each asynchronous test of this file in virtual time, on both backends."""
    return request.param


both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def block(seconds: float = SHORT) -> None:
    """Block a thread for some real time."""
    threading.Event().wait(seconds)


@pytest.fixture
def heeded() -> Iterator[None]:
    """Heed Control-C for a while, which what is started in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ignore(signal_number: int, frame: object) -> None:
    """Handle a signal by doing nothing."""


def start_thread(function: Callable[[], object]) -> None:
    """Run a function in a thread that no loop knows of."""
    threading.Thread(target=function, daemon=True).start()


class TestJumping:
    async def test_a_week_of_sleep_and_hourly_timeouts_takes_no_time(self) -> None:
        began = perf_counter()
        timeouts = 0
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, WEEK)
            for _ in range(7 * 24):
                with anyio.move_on_after(3600):
                    await anyio.sleep_forever()
                timeouts += 1
        assert anyio.current_time() == WEEK
        assert timeouts == 7 * 24
        assert perf_counter() - began < 1

    @pytest.mark.parametrize("turn", [1, 2])
    async def test_each_run_begins_at_zero(self, turn: int) -> None:
        assert anyio.current_time() == 0
        await anyio.sleep(turn)

    async def test_sleepers_wake_in_order_each_at_its_time(self) -> None:
        woken: list[tuple[float, float]] = []

        async def sleep(seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append((seconds, anyio.current_time()))

        async with anyio.create_task_group() as group:
            for seconds in (30, 0.5, 3600, 0.25, 30.5, 0):
                group.start_soon(sleep, seconds)
        assert woken == [(at, at) for at in (0, 0.25, 0.5, 30, 30.5, 3600)]

    async def test_retries_read_as_a_schedule(self) -> None:
        started: list[float] = []
        while len(started) < 4:
            started.append(anyio.current_time())
            with anyio.move_on_after(20):
                await anyio.sleep_forever()
            await anyio.sleep(40)
        assert started == pytest.approx([0, 60, 120, 180])

    async def test_timers_fire_after_years_too(self) -> None:
        """The nanosecond of tolerance of asyncio is lost in rounding after 48 days."""
        for year in range(1, 4):
            await anyio.sleep(365 * 86400)
            assert anyio.current_time() == pytest.approx(year * 365 * 86400)
            await anyio.sleep(1e-3)

    async def test_a_cancelled_timer_is_not_waited_for(self) -> None:
        with anyio.fail_after(WEEK):
            await anyio.sleep(1)
        await anyio.sleep(1)
        assert anyio.current_time() == 2

    async def test_time_stands_still_while_tasks_work(self) -> None:
        send, receive = anyio.create_memory_object_stream[int]()

        async def produce() -> None:
            async with send:
                for number in range(1000):
                    await send.send(number)

        with receive, anyio.fail_after(0.001):
            async with anyio.create_task_group() as group:
                group.start_soon(produce)
                assert [number async for number in receive] == list(range(1000))
        assert anyio.current_time() == 0

    async def test_data_that_is_there_comes_before_a_timer(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, anyio.fail_after(0.001):
            for _ in range(100):
                theirs.send(b"x")
                await anyio.wait_readable(ours)
                ours.recv(1)
        assert anyio.current_time() == 0

    async def test_a_silent_socket_does_not_hold_time_up(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with anyio.move_on_after(60) as scope:
                await anyio.wait_readable(ours)
        assert scope.cancelled_caught
        assert anyio.current_time() == 60

    async def test_waiting_until_all_tasks_are_blocked_goes_before_timers(self) -> None:
        passed = anyio.Event()

        async def sleep() -> None:
            await anyio.sleep(10)
            passed.set()

        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            await anyio.wait_all_tasks_blocked()
            assert not passed.is_set()
            assert anyio.current_time() < 1  # anyio sleeps for 0.1 s on asyncio


class TestOutsideWork:
    async def test_a_thread_of_the_default_limiter_is_not_overtaken(self) -> None:
        with anyio.move_on_after(10) as scope:
            await to_thread.run_sync(block)
        assert not scope.cancelled_caught
        assert anyio.current_time() == 0

    async def test_a_thread_of_an_own_limiter_is_not_overtaken(self) -> None:
        limiter = anyio.CapacityLimiter(1)
        with anyio.move_on_after(10) as scope:
            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(lambda: to_thread.run_sync(block, limiter=limiter))
        assert not scope.cancelled_caught
        assert anyio.current_time() == 0

    async def test_time_goes_on_when_the_thread_has_ended(self) -> None:
        await to_thread.run_sync(block)
        await to_thread.run_sync(block, limiter=anyio.CapacityLimiter(1))
        with anyio.move_on_after(10) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert anyio.current_time() == 10

    async def test_another_threads_portal_is_not_overtaken_while_busy(self) -> None:
        """A driver that knows asyncio alone runs on a loop of its own, which keeps real time."""
        token, done = current_token(), anyio.Event()

        def tell(_: Future[None]) -> None:
            start_thread(lambda: from_thread.run_sync(done.set, token=token))

        with (
            from_thread.start_blocking_portal("asyncio") as portal,
            anyio.move_on_after(10) as scope,
        ):
            future = portal.start_task_soon(anyio.sleep, SHORT)
            future.add_done_callback(tell)
            with testing.busy():
                await done.wait()
        assert not scope.cancelled_caught
        assert anyio.current_time() == 0

    async def test_a_child_process_is_not_overtaken_while_busy(self) -> None:
        with anyio.fail_after(0.001), testing.busy():
            done = await anyio.run_process([sys.executable, "-c", "print('hello')"])
            assert done.stdout == b"hello\n"

    async def test_busy_is_counted(self) -> None:
        """Leaving the inner of two busy contexts must not let time go on."""
        token, done = current_token(), anyio.Event()

        def work() -> None:
            block()
            from_thread.run_sync(done.set, token=token)

        with anyio.move_on_after(10) as scope, testing.busy():
            with testing.busy():
                start_thread(work)
            await done.wait()
        assert not scope.cancelled_caught

    async def test_a_thread_may_sleep_virtually_when_it_says_so(self) -> None:
        async def sleep() -> None:
            with testing.not_busy():
                await anyio.sleep(60)

        def work() -> None:
            block()
            from_thread.run(sleep)
            block()

        with anyio.move_on_after(61) as scope:
            await to_thread.run_sync(work)
        assert not scope.cancelled_caught
        assert anyio.current_time() == 60

    async def test_an_unannounced_thread_can_wake_an_idle_loop(self) -> None:
        token, done = current_token(), anyio.Event()

        def work() -> None:
            block()
            from_thread.run_sync(done.set, token=token)

        start_thread(work)
        await done.wait()
        assert anyio.current_time() == 0

    @pytest.mark.parametrize("limiter", [None, 1])
    def test_the_executor_of_asyncio_is_outside_work(self, limiter: int | None) -> None:
        async def main() -> float:
            loop = asyncio.get_running_loop()
            executor = ThreadPoolExecutor(limiter) if limiter else None
            async with asyncio.timeout(10):
                await loop.run_in_executor(executor, block)
                await asyncio.to_thread(block)
            return loop.time()

        assert testing.run(main) == 0

    def test_the_executor_of_asyncio_is_shut_down_in_real_time(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().run_in_executor(None, block)

        testing.run(main)


class TestStuck:
    @both
    def test_a_deadlock_is_an_error_that_names_who_waits(self, backend: Backend) -> None:
        async def wait() -> None:
            await anyio.Event().wait()

        async def main() -> None:
            await anyio.sleep(5)
            async with anyio.create_task_group() as group:
                group.start_soon(wait, name="the waiter")

        error = error_of(main, backend, patience=SHORT)
        assert "deadlock under virtual time at 5 s" in str(error)
        assert "the waiter" in str(error)

    @both
    def test_sleeping_for_ever_alone_is_a_deadlock(self, backend: Backend) -> None:
        assert "deadlock" in str(error_of(anyio.sleep_forever, backend, patience=SHORT))

    @both
    def test_tasks_are_cleaned_up_after_a_deadlock(self, backend: Backend) -> None:
        cleaned: list[float] = []

        async def main() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(30)
                cleaned.append(anyio.current_time())

        assert "deadlock" in str(error_of(main, backend, patience=SHORT))
        assert cleaned == [30]

    @both
    def test_a_deadlock_in_the_clean_up_ends_too(self, backend: Backend) -> None:
        async def main() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.Event().wait()

        assert "deadlock" in str(error_of(main, backend, patience=SHORT))

    @both
    def test_outside_work_that_does_not_end_is_an_error(self, backend: Backend) -> None:
        async def main() -> None:
            with anyio.move_on_after(10), testing.busy():
                await anyio.Event().wait()

        error = error_of(main, backend, patience=SHORT)
        assert "outside work (busy: 1, worker threads: 0) did not end within 0.05" in str(error)

    def test_anyios_pytest_plugin_reports_a_deadlock(self, tmp_path: Path) -> None:
        """Trio runs there as the guest of a loop that must go on for the next test."""
        file = tmp_path / "test_deadlock.py"
        file.write_text(DEADLOCKED_TESTS)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "2 failed, 2 passed" in done.stdout
        assert done.stdout.count("RuntimeError: There is a deadlock under virtual time at 3 s") >= 2

    def test_what_may_still_happen_decides_how_long_an_idle_loop_waits(self) -> None:
        time = testing.VirtualTime(start=0)
        assert time.real_wait(deadline=5, threads=0, sockets=1) == 0
        assert time.real_wait(deadline=5, threads=1, sockets=0) == 60
        assert time.real_wait(deadline=math.inf, threads=0, sockets=1) == 60
        assert time.real_wait(deadline=math.inf, threads=0, sockets=0) <= 1
        with time.outside:
            assert time.real_wait(deadline=5, threads=0, sockets=0) == 60
        assert time.real_wait(deadline=5, threads=0, sockets=0) == 0

    def test_a_handled_signal_may_still_happen(self) -> None:
        time = testing.VirtualTime(start=0)
        before = signal.signal(signal.SIGUSR1, ignore)
        try:
            assert time.real_wait(deadline=math.inf, threads=0, sockets=0) == 60
        finally:
            signal.signal(signal.SIGUSR1, before)


DEADLOCKED_TESTS = """
import anyio, pytest
from callboard import testing

pytestmark = pytest.mark.anyio

@pytest.fixture(params=testing.virtual_backends(patience=0.1))
def anyio_backend(request):
    return request.param

async def test_deadlock():
    await anyio.sleep(3)
    await anyio.Event().wait()

async def test_next():
    await anyio.sleep(3)
    assert anyio.current_time() == 3
"""


class TestRun:
    @both
    def test_arguments_go_in_and_the_result_comes_out(self, backend: Backend) -> None:
        async def add(a: int, b: int) -> int:
            await anyio.sleep(WEEK)
            return a + b

        assert testing.run(add, 1, 2, backend=backend) == 3

    @both
    def test_an_error_comes_out(self, backend: Backend) -> None:
        async def main() -> None:
            await anyio.sleep(3600)
            raise LookupError("lost")

        with pytest.raises(LookupError, match="lost"):
            testing.run(main, backend=backend)

    @both
    def test_an_error_in_one_task_ends_the_sleep_of_the_others(self, backend: Backend) -> None:
        ended: list[float] = []

        async def fail() -> None:
            await anyio.sleep(60)
            raise LookupError("lost")

        async def main() -> None:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(fail)
                    await anyio.sleep_forever()
            finally:
                ended.append(anyio.current_time())

        with pytest.raises(ExceptionGroup):
            testing.run(main, backend=backend)
        assert ended == [60]

    @both
    @pytest.mark.parametrize("is_busy", [True, False])
    @pytest.mark.usefixtures("heeded")
    def test_control_c_ends_a_real_wait(self, backend: Backend, is_busy: bool) -> None:
        def interrupt() -> None:
            block()
            os.kill(os.getpid(), signal.SIGINT)

        async def main() -> None:
            start_thread(interrupt)
            with testing.busy() if is_busy else anyio.CancelScope():
                await anyio.Event().wait()

        with pytest.raises(KeyboardInterrupt):
            testing.run(main, backend=backend)

    @both
    def test_the_wall_clock_begins_where_it_is_told_to(self, backend: Backend) -> None:
        start = datetime(2031, 3, 1, 9, tzinfo=UTC)

        async def main() -> list[float]:
            first = testing.wall_time()
            await anyio.sleep(WEEK)
            return [first, testing.wall_time()]

        times = testing.run(main, backend=backend, start=start)
        assert [datetime.fromtimestamp(at, UTC) - start for at in times] == [
            timedelta(0),
            timedelta(days=7),
        ]
        assert testing.run(main, backend=backend, start=100.0) == [100, 100 + WEEK]

    @both
    def test_the_wall_clock_can_be_read_from_a_thread(self, backend: Backend) -> None:
        async def main() -> float:
            time = testing.current_virtual_time()
            await anyio.sleep(60)
            return await to_thread.run_sync(time.wall_time)

        assert testing.run(main, backend=backend, start=100.0) == 160

    def test_a_start_without_a_time_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has no time zone"):
            testing.virtual_backends(start=datetime(2031, 3, 1))  # noqa: DTZ001 - the point

    @both
    def test_two_loops_in_two_threads_have_a_time_each(self, backend: Backend) -> None:
        """The first one is busy for real while the other sleeps for days."""
        other_is_done = threading.Event()

        async def busy() -> tuple[bool, float]:
            with anyio.move_on_after(10) as scope:
                assert await to_thread.run_sync(other_is_done.wait, 10)
            return scope.cancelled_caught, anyio.current_time()

        async def sleeping() -> float:
            for _ in range(7):
                await anyio.sleep(86400)
            return anyio.current_time()

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(lambda: testing.run(busy, backend=backend))
            second = threads.submit(lambda: testing.run(sleeping, backend=backend))
            assert second.result(10) == WEEK
            other_is_done.set()
            assert first.result(10) == (False, 0)


class TestRealTime:
    @both
    def test_busy_does_nothing_where_time_is_real(self, backend: Backend) -> None:
        async def main() -> None:
            with testing.busy(), testing.not_busy(), testing.busy():
                await checkpoint()

        anyio.run(main, backend=backend)

    @both
    def test_the_virtual_clock_is_refused_where_time_is_real(self, backend: Backend) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError, match="keeps real time"):
                testing.wall_time()

        anyio.run(main, backend=backend)

    def test_busy_needs_a_loop(self) -> None:
        with pytest.raises(RuntimeError):
            testing.busy()

    def test_virtual_time_on_asyncio_does_not_load_trio(self) -> None:
        code = (
            "import sys, anyio, callboard.testing as t; t.run(anyio.sleep, 60); "
            "sys.exit('trio' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


def error_of(main: Call, backend: Backend, *, patience: float) -> BaseException:
    """Run a function that cannot end, and return the error at the bottom of what it raises."""
    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        testing.run(main, backend=backend, patience=patience)
    return bottom(caught.value)


def bottom(error: BaseException) -> BaseException:
    """Return the first error that is no group and has no cause."""
    inner: Sequence[BaseException | None] = getattr(error, "exceptions", [error.__cause__])
    return bottom(inner[0]) if inner[0] else error
