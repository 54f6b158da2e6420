"""How secrets are kept out of what is stored."""

from __future__ import annotations

import pytest

from callboard.supervisor import Secrets

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
