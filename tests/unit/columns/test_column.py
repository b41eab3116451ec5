from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.columns import Column
from sabot.errors import SchemaMismatchError

TYPE = Column(pa.array(["A", "B", None]))
X = Column(pa.array([1, 2, None]))
Y = Column(pa.array([2.0, 2.0, 2.0]))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (TYPE == "A", [True, False, None]),
        (TYPE != "A", [False, True, None]),
        (X == 2, [False, True, None]),
        (2 == X, [False, True, None]),  # noqa: SIM300
        (X < Y, [True, False, None]),
        (X <= 1.5, [True, False, None]),
        (1 > X, [False, False, None]),  # noqa: SIM300
        (pa.scalar(2) <= X, [False, True, None]),
        (pa.array([1, 1, 1]) == X, [True, False, None]),
        (pa.chunked_array([[1], [1, 1]]) == X, [True, False, None]),
        (pc.add(X, 0) == Y, [False, True, None]),
        (pa.scalar(2) == X, [False, True, None]),
        (X.is_null(), [False, False, True]),
        (X == None, [False, False, True]),  # noqa: E711
        (X != None, [True, True, False]),  # noqa: E711
        (X.isin([2, 3]), [False, True, False]),
        (X.isin([2, None]), [False, True, True]),
        (X.isin({1.0, 2.5}), [True, False, False]),
        (TYPE.isin(["B"]), [False, True, False]),
        (TYPE.isin(TYPE), [True, True, True]),
        (X.between(2, 3), [False, True, None]),
        (X.fill_null(0), [1, 2, 0]),
        (TYPE.fill_null("none"), ["A", "B", "none"]),
        (X.cast(pa.string()), ["1", "2", None]),
        (X + 1, [2, 3, None]),
        (1 - X, [0, -1, None]),
        (X * Y, [2.0, 4.0, None]),
        (X / 2, [0.5, 1.0, None]),
        (-X // 2, [-1, -1, None]),
        (-X % 3, [2, 1, None]),
        (X**2, [1, 4, None]),
        (2**X, [2, 4, None]),
        (7 // X, [7, 3, None]),
        (7.5 % X, [0.5, 1.5, None]),
        (abs(-X), [1, 2, None]),
        (+X, [1, 2, None]),
        (X * 1.5, [1.5, 3.0, None]),
        (TYPE + "!", ["A!", "B!", None]),
        ("!" + TYPE, ["!A", "!B", None]),
        (X & 1, [1, 0, None]),
        (X | 4, [5, 6, None]),
        (X ^ 1, [0, 3, None]),
        (~X, [-2, -3, None]),
        (X + None, [None, None, None]),
    ],
)
def test_operators_work_row_by_row_and_null_stays_null(column: Any, expected: list[Any]) -> None:
    assert type(column) is Column
    assert column.to_pylist() == expected


def test_conditions_are_joined_by_kleenes_logic() -> None:
    three = [True, False, None]
    left = Column(pa.array([a for a in three for _ in three]))
    right = Column(pa.array([b for _ in three for b in three]))
    assert (left & right).to_pylist() == [True, False, None, False, False, False, None, False, None]
    assert (left | right).to_pylist() == [True, True, True, True, False, None, True, None, None]
    assert (~left).to_pylist() == [False] * 3 + [True] * 3 + [None] * 3
    assert (left & True).to_pylist() == left.to_pylist()
    assert (False & left).to_pylist() == [False] * 9
    assert (left | None).to_pylist() == [True] * 3 + [None] * 6


@pytest.mark.parametrize(
    "compare",
    [
        lambda: TYPE == 1,
        lambda: X == "1",
        lambda: X < "1",
        lambda: X < None,
        lambda: X == [1, 2],
        lambda: X == pc.field("x"),  # noqa: SIM300
        lambda: X & TYPE,
        lambda: X + TYPE,
        lambda: pa.array([1]) == X,
        lambda: pa.array(["1", "2", "3"]) == X,
        lambda: ~TYPE,
        lambda: TYPE & True,
        lambda: TYPE.isin("A"),
        lambda: TYPE.isin([1]),
        lambda: object() < X,
    ],
)
def test_what_has_no_answer_raises_and_is_never_a_bare_false(compare: Any) -> None:
    with pytest.raises(SchemaMismatchError):
        compare()


@pytest.mark.parametrize(
    "compute",
    [
        lambda: X / 0,
        lambda: X // 0,
        lambda: X % 0,
        lambda: Y / 0,
        lambda: X + (2**63 - 1),
        lambda: X * 2**62,
        lambda: -Column(pa.array([-(2**63)])),
    ],
)
def test_arithmetic_that_leaves_the_numbers_raises(compute: Any) -> None:
    with pytest.raises(pa.ArrowInvalid):
        compute()


def test_small_integers_are_computed_as_wide_as_python_does() -> None:
    assert (Column(pa.array([100], pa.int8())) + 100).to_pylist() == [200]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: bool(X),
        lambda: X > 1 and X < 3,
        lambda: not X,
        lambda: 1 < X < 3,
        lambda: X in [1, 2],
    ],
)
def test_a_column_has_no_truth_as_a_whole(ask: Any) -> None:
    with pytest.raises(TypeError, match=r"isin"):
        ask()


def test_a_column_without_any_value_takes_part_in_everything() -> None:
    nothing = Column(pa.nulls(2))
    for made in (nothing == "A", nothing > 1, nothing & True, ~nothing, nothing + 1):
        assert made.to_pylist() == [None, None]
    assert (nothing == "A").type == pa.bool_()
    assert (nothing == None).to_pylist() == [True, True]  # noqa: E711
    assert nothing.isin([1]).to_pylist() == [False, False]
    assert nothing.isin([None]).to_pylist() == [True, True]
    assert nothing.fill_null(3).to_pylist() == [3, 3]


def test_a_column_holds_values_like_a_container() -> None:
    assert len(X) == 3
    assert 2 in X
    assert 5 not in X
    assert None in X
    assert "A" in TYPE
    assert [value.as_py() for value in X] == [1, 2, None]
    assert X[0].as_py() == 1
    assert type(X[1:]) is Column
    assert X[1:].to_pylist() == [2, None]
    assert len({X, X}) == 1
    assert pickle.loads(pickle.dumps(X)).to_pylist() == X.to_pylist()


@pytest.mark.parametrize(
    "call",
    [
        lambda c: pc.greater(c, pa.scalar(1)),
        lambda c: pc.if_else(pc.is_null(c), c, c),
        lambda c: pc.fill_null(c, 0),
        pc.rank,
        lambda c: pc.cast(c, pa.float64()),
        lambda c: pc.coalesce(c, c),
        pc.sum,
        lambda c: pc.is_in(c, value_set=pa.array([1])),
        pc.value_counts,
        pa.array,
    ],
)
def test_every_compute_function_takes_a_column_for_its_array(call: Any) -> None:
    assert call(X).equals(call(pa.array([1, 2, None])))


def test_a_column_has_every_public_name_of_an_arrow_array() -> None:
    array = pa.array([1, 2, None])
    for name in dir(pa.Array):
        if not name.startswith("_") and name not in ("statistics", "is_nan"):
            assert hasattr(X, name) == hasattr(array, name), name
    assert type(X.take(pa.array([0]))) is Column
    assert type(X.filter(X == 1)) is Column
    assert X.null_count == 1
    assert X.equals(Column(pa.array([1, 2, None])))
    with pytest.raises(AttributeError):
        _ = X.nothing_of_the_kind
