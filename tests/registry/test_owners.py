"""Owners: a label belongs to one of them at most, whoever changes what at once."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

import callboard as cb

NewEngine = Callable[..., cb.Engine]


async def test_a_label_has_one_owner(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        owners = engine.registry.owners
        bank = await owners.create("bank", title="The bank", labels=["pay", "lend", "pay"])
        assert (bank.labels, bank.version) == (("pay", "lend"), 1)
        with pytest.raises(cb.Refused, match="label 'pay' belongs to owner 'bank'"):
            await owners.create("shop", labels=["sell", "pay"])
        shop = await owners.create("shop", labels=["sell"])
        with pytest.raises(cb.Refused, match="label 'lend' belongs to owner 'bank'"):
            await owners.change("shop", 1, labels=["sell", "lend"])
        assert await owners.get("shop") == shop
        await owners.change("bank", 1, labels=["lend"])
        shop = await owners.change("shop", 1, title="Shop", labels=["sell", "pay"])
        assert (shop.title, shop.version) == ("Shop", 2)
        assert await owners.by_label() == {"lend": "bank", "sell": "shop", "pay": "shop"}
        page = await owners.list(limit=1, offset=1)
        assert (page.total, [each.id for each in page.items]) == (2, ["shop"])


async def test_a_change_needs_the_latest_version(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        owners = engine.registry.owners
        await owners.create("a", labels=["x"])
        with pytest.raises(cb.VersionConflict, match="owner 'a' exists already"):
            await owners.create("a")
        await owners.change("a", 1, labels=["y"])
        with pytest.raises(cb.VersionConflict, match="has version 2 and you had version 1"):
            await owners.change("a", 1, labels=["z"])
        with pytest.raises(cb.VersionConflict):
            await owners.deprecate("a", 1)
        with pytest.raises(cb.UnknownRecord, match="no owner 'b'"):
            await owners.change("b", 1)


async def test_who_is_deprecated_leaves_the_labels_to_others(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        owners = engine.registry.owners
        await owners.create("a", labels=["x"])
        gone = await owners.deprecate("a")
        assert (gone.deprecated, gone.labels, gone.version) == (True, (), 2)
        assert await owners.deprecate("a") == gone
        with pytest.raises(cb.Refused, match="deprecated"):
            await owners.change("a", 2, labels=["x"])
        assert (await owners.change("a", 2, title="Old")).deprecated
        assert (await owners.create("b", labels=["x"])).labels == ("x",)


async def test_of_many_who_want_a_label_one_gets_it(new_engine: NewEngine) -> None:
    """From two engines; the others are refused, and all who want another label get it."""
    async with new_engine() as one, new_engine() as two:
        refused: list[int] = []

        async def create(engine: cb.Engine, number: int) -> None:
            try:
                await engine.registry.owners.create(f"o{number}", labels=["same", f"l{number}"])
            except cb.Refused:
                refused.append(number)
                await engine.registry.owners.create(f"o{number}", labels=[f"l{number}"])

        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(create, (one, two)[number % 2], number)
        assert len(refused) == 11
        table = await one.registry.owners.by_label()
        assert len(table) == 13
        assert (await two.registry.owners.list()).total == 12


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
async def test_what_cannot_be_shown_is_no_id(name: str, new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        for create in (
            engine.registry.owners.create,
            engine.registry.topics.create,
            engine.registry.jobs.create,
        ):
            with pytest.raises(cb.UsageError, match="the id of a"):
                await create(name)
        with pytest.raises(cb.UsageError, match="a label"):
            await engine.registry.owners.create("o", labels=[name])
