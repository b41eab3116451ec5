from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs.avro.bisecting import halves


@given(st.lists(st.booleans(), max_size=60))
def test_every_bad_item_is_found_and_no_other(items: list[bool]) -> None:
    def attempt(first: int, last: int) -> list[int]:
        if not all(items[first:last]):
            raise ValueError(first)
        return list(range(first, last))

    made, bad = halves(attempt, len(items))
    assert [n for part in made for n in part] == [n for n, good in enumerate(items) if good]
    assert [number for number, _ in bad] == [n for n, good in enumerate(items) if not good]


def test_a_batch_without_a_bad_item_is_tried_once() -> None:
    calls: list[tuple[int, int]] = []
    halves(lambda first, last: calls.append((first, last)), 1000)
    assert calls == [(0, 1000)]
