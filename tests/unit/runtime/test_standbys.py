from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.kafka.group_members import GroupMember
from sabot.runtime.standbys import standby_partitions
from sabot.types import TopicPartition


def members(*counts: int) -> list[GroupMember]:
    """Return members m0, m1, ... that have so many partitions each."""
    number, found = 0, []
    for index, count in enumerate(counts):
        owned = frozenset(TopicPartition("t", number + each) for each in range(count))
        found.append(GroupMember(f"m{index}", owned))
        number += count
    return found


def numbers(group: list[GroupMember], me: str, replicas: int) -> set[int]:
    return {tp.partition for tp in standby_partitions(group, me, replicas)}


def test_the_member_behind_the_owner_keeps_the_standby_and_the_first_is_behind_the_last() -> None:
    group = members(2, 1, 1)
    assert [numbers(group, f"m{n}", 1) for n in range(3)] == [{3}, {0, 1}, {2}]
    assert [numbers(group, f"m{n}", 2) for n in range(3)] == [{2, 3}, {0, 1, 3}, {0, 1, 2}]


@pytest.mark.parametrize("replicas", [2, 100])
def test_more_standbys_than_others_are_one_with_each(replicas: int) -> None:
    assert numbers(members(1, 1), "m0", replicas) == {1}


def test_who_is_not_in_the_group_keeps_none() -> None:
    assert numbers(members(1, 1), "stranger", 1) == set()
    assert numbers([], "stranger", 1) == set()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 7))
def test_each_partition_has_as_many_standbys_as_asked_and_none_with_its_owner(
    counts: list[int], replicas: int
) -> None:
    group = members(*counts)
    keepers: dict[int, list[str]] = {number: [] for number in range(sum(counts))}
    for member in group:
        for number in numbers(group, member.id, replicas):
            assert TopicPartition("t", number) not in member.partitions
            keepers[number].append(member.id)
    wanted = min(replicas, len(group) - 1)
    assert all(len(found) == wanted for found in keepers.values())
