"""The line protocol: what is a message, what is output, and what fails an attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from callboard.executors._protocol import (
    LINE_BYTES_MAX,
    BadOutput,
    LineReader,
    Message,
    PlainText,
    Start,
    encode_cancel,
    encode_refusal,
    encode_reply,
    encode_start,
    parse_line,
)


def parse(value: object) -> Message | PlainText | BadOutput:
    return parse_line(json.dumps(value).encode())


def reason(value: object) -> str:
    parsed = parse(value)
    assert isinstance(parsed, BadOutput), parsed
    return parsed.reason


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({"type": "success", "output": [1, {"a": None}]}, {"output": [1, {"a": None}]}),
        ({"type": "success"}, {"output": None}),
        (
            {"type": "error", "message": "no", "retry_after": 2.5},
            {"message": "no", "kind": None, "retry_after": 2.5, "detail": None},
        ),
        ({"type": "not_ready"}, {"message": None}),
        (
            {"type": "progress", "fraction": 1, "data": {}},
            {"fraction": 1, "message": None, "data": {}},
        ),
        (
            {"type": "log", "message": "hi"},
            {"level": "info", "message": "hi", "stream": None},
        ),
        ({"type": "heartbeat", "mood": "fine"}, {}),
        ({"type": "promise", "text": "sealed"}, {"text": "sealed"}),
        ({"type": "add_edge", "from": "a", "to": "b"}, {"from": "a", "to": "b"}),
        (
            {"type": "hole", "shape": "M*"},
            {"shape": "M*", "name": None, "after": [], "before": [], "owner": None},
        ),
        ({"type": "give", "hole": "h", "to": "t"}, {"hole": "h", "to": "t"}),
        ({"type": "close", "hole": "h"}, {"hole": "h"}),
        ({"type": "withdraw", "task": "a/b"}, {"task": "a/b"}),
        (
            {"type": "style", "edge": ["a", "b"], "color": "red"},
            {"task": None, "edge": ["a", "b"], "label": None, "color": "red"},
        ),
        (
            {"type": "wait", "input": {"type": "string"}},
            {"input": {"type": "string"}, "message": None},
        ),
        ({"type": "pause", "message": "lunch"}, {"message": "lunch"}),
        ({"type": "again", "task": "t"}, {"task": "t"}),
    ],
)
def test_a_message_has_all_its_fields(value: dict[str, Any], fields: dict[str, Any]) -> None:
    assert parse(value) == Message(type=value["type"], fields=fields)


def test_add_task_keeps_the_kind_that_stands_in_it() -> None:
    value = {"type": "add_task", "id": 7, "name": "M", "shell": ["make"], "after": ["a"]}
    fields: dict[str, Any] = {"key": None, "name": "M", "after": ["a"], "before": []}
    fields |= {"into": None, "with": {}, "refs": False}
    assert parse(value) == Message(type="add_task", id=7, fields={**fields, "shell": ["make"]})


def test_without_after_is_not_the_same_as_after_nothing() -> None:
    message = parse({"type": "add_task", "name": "M"})
    assert isinstance(message, Message)
    assert message.fields["after"] is None


def test_a_batch_holds_messages() -> None:
    batch = parse({"type": "batch", "id": "b", "commands": [{"type": "promise", "text": "sealed"}]})
    promise = Message(type="promise", fields={"text": "sealed"})
    assert batch == Message(type="batch", id="b", commands=(promise,))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"{",
        b"{not json}",
        b'{"a": 1}',
        b'{"colour": "red", "type": 5}',
        b"[1, 2]",
        b'"type"',
        b"\xff\xfe\x00",
        b'{"a": ' * 100_000,
    ],
)
def test_everything_else_is_output(line: bytes) -> None:
    assert parse_line(line) == PlainText(line)


def test_the_order_of_keys_and_white_space_do_not_matter() -> None:
    message = Message(type="success", fields={"output": 1})
    assert parse_line(b' { "output" : 1 , "type" : "success" } \r') == message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "sucess"}, "its type is 'sucess', which is none of success, error"),
        ({"type": 5}, "its type is 5"),
        ({"type": "error"}, "'error' needs 'message', text"),
        ({"type": "error", "message": 5}, "'message' of 'error' must be text"),
        (
            {"type": "error", "message": "", "retry_after": -1},
            "'retry_after' of 'error' must be a number of seconds",
        ),
        (
            {"type": "progress", "fraction": True},
            "'fraction' of 'progress' must be a number from 0 to 1",
        ),
        (
            {"type": "log", "id": True, "message": ""},
            "the id of 'log' must be text or a whole number",
        ),
        ({"type": "get", "task": "t"}, "'get' needs an id"),
        (
            {"type": "hole", "shape": "M", "after": ["a", 1]},
            "'after' of 'hole' must be a list of texts",
        ),
        (
            {"type": "batch", "commands": [{"type": "promise", "text": ""}, {"type": "success"}]},
            "in command 1 of its batch 'success' cannot stand in a batch",
        ),
        ({"type": "batch", "commands": ["x"]}, "in command 0 of its batch it is no object"),
    ],
)
def test_a_wrong_message_says_what_is_wrong(value: object, text: str) -> None:
    assert text in reason(value)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "success", "output": NaN}',
        b'{"type": "success", "output": 1e999}',
        b'{"type": "success", "output": "\\ud800"}',
        b'{"type": "success", "output": "\xff"}',
        b'{"type": "success", "output": 1',
        b'{"type": "success"} {"type": "success"}',
        b'{"type":' * 100_000,
    ],
)
def test_what_means_to_be_a_message_and_does_not_parse_fails(line: bytes) -> None:
    parsed = parse_line(line)
    assert isinstance(parsed, BadOutput)
    assert "is not JSON" in parsed.reason
    assert len(parsed.reason) < 300


def test_four_mebibytes_are_the_limit() -> None:
    frame = b'{"type":"success","output":""}'
    longest = frame.replace(b'""', b'"' + b"x" * (LINE_BYTES_MAX - len(frame)) + b'"')
    assert isinstance(parse_line(longest), Message)
    assert parse_line(longest + b" ") == BadOutput(
        "A line is longer than 4 MiB: write large data to a file or a store, and say where it is."
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELD_NAMES = st.sampled_from(
    [
        "id",
        "output",
        "message",
        "kind",
        "retry_after",
        "fraction",
        "after",
        "with",
        "commands",
        "input",
    ]
)


def _joined(kind: object, fields: dict[str, object]) -> dict[str, object]:
    return {"type": kind, **fields}


MESSAGES = st.builds(
    _joined,
    st.sampled_from(["success", "error", "progress", "log", "add_task", "wait", "batch", "x"])
    | JSON,
    st.dictionaries(FIELD_NAMES | st.text(), JSON),
)


@given(st.binary() | st.binary().map(lambda rest: b'{"type"' + rest))
def test_no_bytes_crash_it(line: bytes) -> None:
    parsed = parse_line(line)
    assert isinstance(parsed, BadOutput) or parsed == PlainText(line) or line.lstrip()[:1] == b"{"


@given(MESSAGES)
def test_no_message_crashes_it(value: dict[str, object]) -> None:
    parsed = parse_line(json.dumps(value).encode())
    assert isinstance(parsed, BadOutput | Message)
    if isinstance(parsed, Message):
        json.dumps(dict(parsed.fields), allow_nan=False).encode()


@given(st.binary(), st.lists(st.integers(1, 40), min_size=1))
def test_lines_do_not_depend_on_how_they_were_cut_into_chunks(
    data: bytes, sizes: list[int]
) -> None:
    data = data.replace(b"\x01", b"\n")
    reader = LineReader()
    lines: list[bytes] = []
    rest = data
    while rest:
        size = sizes[len(lines) % len(sizes)]
        lines += reader.feed(rest[:size])
        rest = rest[size:]
    lines += reader.close()
    assert (
        lines
        == (data.split(b"\n") if not data.endswith(b"\n") else data.split(b"\n")[:-1])[
            : None if data else 0
        ]
    )


@given(st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"a", b"\n"))))
def test_a_long_line_comes_once_and_cut(chunks: list[bytes]) -> None:
    reader = LineReader(limit=4)
    lines: list[bytes] = []
    for chunk in chunks:
        lines += reader.feed(chunk)
        assert len(reader._held) <= 4
    lines += reader.close()
    whole = b"".join(chunks).split(b"\n")
    assert [line for line in lines if line] == [line[:5] for line in whole if line]


def test_a_long_line_is_told_before_it_ends() -> None:
    reader = LineReader()
    told = [line for _ in range(80) for line in reader.feed(bytes(64 * 1024))]
    assert [len(line) for line in told] == [LINE_BYTES_MAX + 1]
    assert reader.feed(b"\nnext\n") == [b"next"]


START = Start(
    run="r",
    task="t",
    label="T",
    generation=2,
    attempt=3,
    fence="f",
    key="k",
    inputs={"n": 1},
    needs={"a": ("A", "x" * 700_000), "b": ("B", "y" * 600_000), "c": ("C", None)},
    holes=[{"id": "h", "shape": "M*"}],
    answers=[True],
)


def test_the_start_line_says_everything_and_keeps_large_outputs_back() -> None:
    line = encode_start(START)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "type": "start",
        "protocol": 1,
        "run": "r",
        "task": "t",
        "label": "T",
        "generation": 2,
        "attempt": 3,
        "fence": "f",
        "key": "k",
        "inputs": {"n": 1},
        "needs": {
            "a": {"label": "A", "ref": "a"},
            "b": {"label": "B", "output": "y" * 600_000},
            "c": {"label": "C", "output": None},
        },
        "holes": [{"id": "h", "shape": "M*"}],
        "answers": [True],
    }


def test_replies_and_the_cancel_line() -> None:
    assert json.loads(encode_reply(1, {"task": "t"})) == {
        "type": "reply",
        "id": 1,
        "ok": True,
        "task": "t",
    }
    assert json.loads(encode_refusal("x", kind="refused", message="No.")) == {
        "type": "reply",
        "id": "x",
        "ok": False,
        "error": {"kind": "refused", "message": "No."},
    }
    assert encode_cancel() == b'{"type":"cancel"}\n'
