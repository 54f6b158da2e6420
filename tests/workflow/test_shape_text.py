"""The parser of shapes: what it reads, what it refuses and how it says so, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from callboard.workflow import UsageError
from callboard.workflow._shape_text import DEPTH_MAX, NODES_MAX, ShapeError, parse_shape
from callboard.workflow._shapes import Alt, Lab, Loop, Map, Par, Seq, Shape, Wild, normal

A, B, M, N = map(Lab, "ABMN")


def read(text: str) -> Shape | ShapeError:
    try:
        return parse_shape(text)
    except ShapeError as refused:
        return refused


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("A->B", Seq((A, B))),
        ("A -> M | N -> B", Alt((Seq((A, M)), Seq((N, B))))),
        ("A -> (M | N) -> B", Seq((A, Alt((M, N)), B))),
        ("A & B -> M | N", Alt((Par((A, Seq((B, M)))), N))),
        ("M {2 , 5}", Map(M, 2, 5)),
        ("M\n  {2,}", Map(M, 2, None)),
        ("M{0,1}", Map(M, 0, 1)),
        ("loop(A -> B)", Loop(Seq((A, B)), 1, None)),
        ("loop (M)*", Loop(M, 0, None)),
        ("loop(M)+", Loop(M, 1, None)),
        ("loop(M)?", Loop(M, 0, 1)),
        ("loop(loop(M){2}){3}", Loop(Loop(M, 2, 2), 3, 3)),
        ("loop", Lab("loop")),
        ("loop -> A", Seq((Lab("loop"), A))),
        ("where", Lab("where")),
        ("1 -> 2b", Seq((Lab("1"), Lab("2b")))),
        ("a-b.c_d->é", Seq((Lab("a-b.c_d"), Lab("é")))),
        ("A...", None),
        ("A -> ... -> B", Seq((A, Wild(), B))),
        ("rest = ... & first=M*", Par((Wild("rest"), Map(Lab("M", "first"), 0, None)))),
        ('left="Review Credit"', Lab("Review Credit", "left")),
        (r'"a\"b" -> "c\\" -> "d\e"', Seq((Lab('a"b'), Lab("c\\"), Lab(r"d\e")))),
        ("where=M", Lab("M", "where")),
        ("no -> only", Seq((Lab("no"), Lab("only")))),
    ],
)
def test_a_text_is_read(text: str, shape: Shape | None) -> None:
    if shape is None:
        with pytest.raises(ShapeError):
            parse_shape(text)
    else:
        assert parse_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "A -> X -> B where X = (N -> M) | (J -> K)",
            "A -> (N -> M | J -> K) -> B",
        ),
        ("X* & Y where X = Y -> A, Y = B{1,2}", "(B{1,2} -> A)* & B{1,2}"),
        ("X where X = first=M", "first=M"),
        ('X -> "X" where X = A', 'A -> "X"'),
        ("loop(loop) where loop = A -> B", "loop(A -> B)"),
        ("where -> A where where = B", "B -> A"),
        ("X | A where X = M?", "M? | A"),
    ],
)
def test_a_name_is_replaced_by_what_it_stands_for(text: str, plain: str) -> None:
    assert parse_shape(text) == parse_shape(plain)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "found the end, expected a task"),
        ("A -> ", 6, "found the end, expected a task"),
        ("A B", 3, 'found "B", expected "->", "&", "|" or the end; join the two by'),
        ('A "B C"', 3, 'found "B C", expected'),
        ("A -> -> B", 6, 'found "->", expected a task, "(" or "..."'),
        ("A && B", 4, 'found "&", expected a task'),
        ("-> A", 1, "put a task before it"),
        ("(A", 3, 'found the end, expected "->", "&", "|" or ")"; close the parenthesis'),
        ("A -> B)", 7, 'found ")", expected "->", "&", "|" or the end; leave it out'),
        ("A, B", 2, 'say "->" for one after another'),
        ("A => B", 4, 'found ">", which is no arrow; write "->"'),
        ("A → B", 3, "which is no arrow"),
        ("A # B", 3, "put a name with signs in quotes"),
        ("A (B)", 3, "join the two by"),
        ("A ...", 3, "join the two by"),
        ("_a", 1, "put a name with signs in quotes"),
        ('A -> "B', 6, "add the closing quote"),
        ('A -> ""', 6, "which names nothing"),
        ('"x"=A', 4, "name a place by one word"),
        ("M*?", 3, 'found "?" after another suffix; write "(M*)?"'),
        ("M+*", 3, "leave one of the two out"),
        ("loop(M)*{2}", 9, 'found "{2}" after another suffix'),
        ("M{5,2}", 2, "expected a range that rises; put the smaller number first, as in {2,5}"),
        ("M{x}", 2, "write {2}, {2,} or {2,5}"),
        ("M{,5}", 2, "write {2}, {2,} or {2,5}"),
        ("M{1234567890}", 2, "more than 9 digits"),
        ("...*", 4, 'found "*" after "...", which is any number of tasks already'),
        ("(...)?", 6, 'found "?" after "..."'),
        ("X+ where X = ...", 2, 'found "+" after "..."'),
        ("(M*)*", 5, 'found "*" around "M*" alone; leave one of the two out'),
        ("((M -> N){2})+", 14, 'found "+" around "(M -> N){2}" alone'),
        ("X{2} where X = (M*)?", 2, 'around "M*" alone'),
        ("x=(A)", 3, 'found "(" where "x=" names the place of one task; write it directly before'),
        ("x=loop(A)", 3, 'found "loop" where "x=" names the place of one task'),
        ("x=X where X = A -> B", 3, 'found "X", which stands for a shape'),
        ("x=", 3, 'expected a task or "..."'),
        ("A where X = A", 9, 'found "X", which the shape does not use; use it or leave it out'),
        ("Loan where Loans = A", 12, 'did you mean "Loan"?'),
        ("X where X = A, X = B", 16, 'found "X" defined twice'),
        ("X where X = A -> X", 18, "(X uses X); no name can stand for itself"),
        ("X where X = Y, Y = Z, Z = A -> Y", 32, "(Y uses Z uses Y)"),
        ("X where", 8, "found the end, expected a name"),
        ('X where "X" = A', 9, 'found "X", expected a name and "="'),
        ("X where X", 10, 'found the end, expected "="'),
        ("X where X = A B", 15, 'expected "->", "&", "|", "," or the end'),
        ("X where X = A where Y = B", 15, "join the two by"),
        ("(A where X = A)", 4, 'expected "->", "&", "|" or ")"'),
    ],
)
def test_a_refusal_says_where_it_is_what_was_expected_and_what_to_do(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(ShapeError) as refused:
        parse_shape(text)
    assert isinstance(refused.value, UsageError)
    assert refused.value.text == text
    assert refused.value.column == column
    assert str(refused.value).startswith(f"shape '{text}', column {column}: ")
    assert words in str(refused.value)


def test_a_long_text_is_shown_around_the_error() -> None:
    text = " -> ".join(["task"] * 100) + "\n-> ) -> " + " -> ".join(["task"] * 100)
    with pytest.raises(ShapeError) as refused:
        parse_shape(text)
    assert "task -> ) -> task" in str(refused.value)
    assert len(str(refused.value)) < 250
    assert text[refused.value.column - 1] == ")"


@given(st.lists(st.sampled_from(['A', 'b=', '"q"', "->", "&", "|", "(", ")", "*", "?", "...", "{2}",
                                 "loop(", " where ", "X", "X=", ",", "-", '"', "{", "\n"]))
       .map("".join) | st.text())  # fmt: skip
def test_any_text_is_a_shape_in_normal_form_or_refused_at_a_place_in_it(text: str) -> None:
    match read(text):
        case ShapeError() as refused:
            assert 1 <= refused.column <= len(text) + 1
        case shape:
            assert normal(shape) == shape
            assert parse_shape(str(shape)) == shape


def doubling(times: int) -> str:
    """Define names of which each is twice the one before."""
    pairs = [f"X{number} = X{number - 1} & X{number - 1}" for number in range(1, times + 1)]
    return f"X{times} where X0 = M, {', '.join(pairs)}"


def nested(opening: str, closing: str, times: int) -> str:
    return opening * times + "M" + closing * times


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A" * (64 * 1024 + 1), "a shape of 65,537 characters is too long: at most 65,536"),
        ("&".join("A" * (NODES_MAX + 1)), "more than 10,000 tasks, loops and suffixes"),
        ("|".join(["A*"] * (NODES_MAX // 2 + 1)), "more than 10,000 tasks, loops and suffixes"),
        (f"{'&'.join('X' * 200)} where X = {nested('loop(', ')', 60)}", "more than 10,000"),
        (doubling(60), "more than 10,000 tasks, loops and suffixes"),
        (
            f"{'&'.join('Y' * 9000)} where Y = (A -> B){{0}}",
            "more than 10,000 tasks, loops and suffixes",
        ),
        (nested("(", ")", DEPTH_MAX + 1), "deeper than 100 levels"),
        (nested("(", ")", 30_000), "deeper than 100 levels"),
        (nested("loop(", ")", DEPTH_MAX), "deeper than 100 levels"),
        (nested("(A -> ", ")*", DEPTH_MAX // 2), "deeper than 100 levels"),
        (
            "X0 where " + ", ".join(f"X{at} = X{at + 1}" for at in range(3000)) + ", X3000 = A",
            "deeper than 100 levels",
        ),
    ],
    ids=[
        "long",
        "wide",
        "suffixes",
        "loops",
        "doubling",
        "empty",
        "deep",
        "deepest",
        "rounds",
        "maps",
        "names",
    ],
)
def test_what_would_grow_too_large_is_refused(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        parse_shape(text)


@pytest.mark.parametrize(
    "text",
    [
        "&".join("A" * NODES_MAX),
        doubling(13),
        nested("(", ")", DEPTH_MAX),
        nested("loop(", ")", DEPTH_MAX - 1),
        "|".join(["A{2}"] * (NODES_MAX // 2)),
        "A" * 64 * 1024,
    ],
    ids=["wide", "doubling", "deep", "rounds", "suffixes", "long"],
)
def test_what_is_as_large_as_may_be_is_read_and_written(text: str) -> None:
    shape = parse_shape(text)
    assert parse_shape(str(shape)) == shape
    assert not shape.nullable
    assert shape.labels
