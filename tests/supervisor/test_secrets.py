"""How secrets are kept out of what is stored."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from callboard.supervisor import Secrets, failure_of

KEY = "-----BEGIN KEY-----\r\nMIIEvQIBADAN\r\n}\r\n-----END KEY-----\r\n"


@pytest.mark.parametrize("values", [("abc", "abcdef"), ("abcdef", "abc")])
def test_a_secret_that_begins_with_another_is_masked_whole(values: tuple[str, ...]) -> None:
    assert Secrets(values).mask("abcdef abc") == "*** ***"


def test_a_secret_of_many_lines_is_masked_line_by_line() -> None:
    secrets = Secrets([KEY])
    assert secrets.mask(f"key={KEY}") == "key=***\r\n"
    lines = [secrets.mask(line) for line in KEY.split("\r\n")]
    assert lines == ["***", "***", "}", "***", ""]


def test_a_short_line_of_a_secret_is_no_secret_and_a_short_secret_is() -> None:
    assert Secrets(["{\nhunter2\n}"]).mask("{hunter2}") == "{***}"
    assert Secrets(["pin"]).mask("my pin") == "my ***"


def test_the_newline_at_the_end_of_a_secret_is_not_of_it() -> None:
    assert Secrets(["pin\n"]).mask("my pin.") == "my ***."


@pytest.mark.parametrize("values", [(), ("",), (" \n",)])
def test_what_is_empty_is_no_secret(values: tuple[str, ...]) -> None:
    assert Secrets(values).mask("a \n b") == "a \n b"


@given(
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    st.text("abc", max_size=12),
    st.integers(0, 12),
)
def test_no_cut_goes_through_a_secret(values: list[str], text: str, at: int) -> None:
    secrets, at = Secrets(values), min(at, len(text))
    for cut in (
        secrets.cut_before(text.encode(), at),
        secrets.cut_after(text.encode(), at),
    ):
        for value in values:
            starts = [n for n in range(len(text)) if text.startswith(value, n)]
            assert not any(start < cut < start + len(value) for start in starts)


def test_a_cut_through_no_secret_stays_where_it_is() -> None:
    secrets = Secrets(["hunter2"])
    assert secrets.cut_before(b"a hunter2 b", 1) == secrets.cut_after(b"a hunter2 b", 1) == 1
    assert secrets.cut_before(b"a hunter2 b", 4) == 2
    assert secrets.cut_after(b"a hunter2 b", 4) == 9


def test_the_end_of_a_traceback_begins_with_no_half_of_a_secret() -> None:
    rest = "z" * (16_384 - len("ter2\n"))
    failure = failure_of(ValueError(f"xx hunter2{rest}"), Secrets(["hunter2"]).mask)
    assert failure.message == f"ValueError: xx ***{rest}"
    assert failure.detail["traceback"] == f" ***{rest}\n"


def test_secrets_are_masked_in_the_texts_and_names_of_a_value() -> None:
    value = {"hunter2": ["a hunter2", {"b": ("hunter2", 2, None, True)}]}
    masked = {"***": ["a ***", {"b": ["***", 2, None, True]}]}
    assert Secrets(["hunter2"]).mask_value(value) == masked


def test_a_value_is_not_shown_deeper_than_it_is_searched() -> None:
    value: object = "hunter2"
    for _ in range(5_000):
        value = [value]
    shown = Secrets(["no"]).mask_value(value)
    for _ in range(100):
        (shown,) = shown
    assert shown == "***"


def test_where_there_is_no_secret_a_value_is_not_looked_at() -> None:
    value = {"a": ["b"]}
    assert Secrets().mask_value(value) is value


def test_a_secret_changes_no_name_of_ours() -> None:
    secrets = Secrets(["data"])
    assert secrets.mask_fields({"data": {"data": "data"}}) == {"data": {"***": "***"}}
    assert secrets.mask_fields(None) is None
