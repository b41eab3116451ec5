from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from sabot.kafka.membership import member_properties, transactional_id

NAMES = st.text(alphabet="a-/%_", min_size=1, max_size=4)

MINE = {"group.id": "g", "client.id": "sabot-g"}


def test_a_slot_names_the_client() -> None:
    named = member_properties(MINE, application="shop", slot="a-1", static=False)
    assert named == {"group.id": "g", "client.id": "sabot-g-a-1"}


def test_a_name_of_the_users_own_is_kept() -> None:
    named = member_properties(
        {**MINE, "client.id": "mine"}, application="shop", slot="1", static=True
    )
    assert named["client.id"] == "mine"


def test_a_static_member_without_a_slot_has_the_machines_name() -> None:
    named = member_properties(MINE, application="shop", slot=None, static=True)
    assert named["group.instance.id"] == f"shop-{socket.gethostname()}"


def test_an_instance_id_that_was_given_is_told_apart_by_the_slot_and_alone_is_kept() -> None:
    given = {**MINE, "group.instance.id": "the-one"}
    assert member_properties(given, application="shop", slot=None, static=False) == given
    named = member_properties(given, application="shop", slot="2", static=False)
    assert named["group.instance.id"] == "the-one-2"


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=2, max_size=2, unique=True))
def test_no_two_of_app_group_and_slot_have_the_same_transactional_id(
    who: list[tuple[str, str, str]],
) -> None:
    one, other = who
    assert transactional_id(*one) != transactional_id(*other)
