from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.kafka.offset_block import BLOCK, OffsetBlock


@given(st.sets(st.integers(BLOCK, 2 * BLOCK - 1)), st.sets(st.integers(BLOCK, 2 * BLOCK - 1)))
def test_a_block_holds_what_was_added_and_comes_back_from_its_text(
    some: set[int], more: set[int]
) -> None:
    block = OffsetBlock(1)
    for offset in some:
        block.add(offset)
    assert list(block) == sorted(some)
    assert list(OffsetBlock.of_text(1, str(block))) == sorted(some)
    block.update(OffsetBlock.of_text(1, ",".join(map(str, more))))
    assert list(block) == sorted(some | more)
    assert all(offset in block for offset in more)


def test_offsets_of_other_blocks_are_refused_and_are_not_in_it() -> None:
    block = OffsetBlock(1)
    for offset in (0, BLOCK - 1, 2 * BLOCK):
        assert offset not in block
        with pytest.raises(ValueError, match="is not in the block"):
            block.add(offset)
    with pytest.raises(ValueError, match="invalid literal"):
        OffsetBlock.of_text(1, "1-x")


def test_the_longest_text_fits_into_a_record() -> None:
    number = 2**40 // BLOCK
    block = OffsetBlock(number)
    for offset in range(number * BLOCK, (number + 1) * BLOCK, 2):
        block.add(offset)
    assert len(str(block)) < 900_000
