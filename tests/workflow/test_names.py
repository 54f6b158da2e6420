"""Names that people give, and which of them an address can hold."""

from __future__ import annotations

import pytest

from callboard.workflow import UsageError, check_id, check_name

NO_NAMES = ["", " ", "\t", "a\nb", "a\x00", "a\u202eb", "x" * 201, 5, None]


@pytest.mark.parametrize("given", NO_NAMES)
def test_what_is_no_name(given: object) -> None:
    for check in (check_name, check_id):
        with pytest.raises(UsageError, match="the key") as caught:
            check("the key", given)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("given", ["a/b", "/", "a/", "..", "."])
def test_what_an_address_cannot_hold(given: str) -> None:
    assert check_name("the key", given) == given
    with pytest.raises(UsageError, match="slash"):
        check_id("the id", given)


@pytest.mark.parametrize(
    "given", ["a", "x" * 200, "größer als", "a?b#c%2F", "...", ".a", "r.1.2", "日"]
)
def test_what_is_a_name(given: str) -> None:
    assert check_id("the id", given) == check_name("the id", given) == given
