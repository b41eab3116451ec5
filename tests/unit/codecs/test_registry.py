from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from sabot.codecs import JsonCodec, codec_names, create_codec, register_codec
from sabot.codecs import registry as registry_module
from sabot.errors import ConfigurationError


class OptionlessCodec(JsonCodec):
    name = "optionless"

    def __init__(self) -> None:
        super().__init__()


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_factories", {"json": JsonCodec})


def test_json_is_built_in_and_each_caller_gets_its_own() -> None:
    first, second = create_codec("json"), create_codec("json", {})
    assert isinstance(first, JsonCodec)
    assert first is not second
    assert "json" in codec_names()


def test_an_unknown_codec_is_refused_with_the_names_there_are_and_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no codec 'jsno', only .*'json'.*did you mean"):
        create_codec("jsno")


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no option 'shema'.*did you mean 'schema'"):
        create_codec("json", {"shema": {}})


def test_a_codec_object_is_used_as_it_is_but_takes_no_options() -> None:
    codec = JsonCodec()
    assert create_codec(codec) is codec
    with pytest.raises(ConfigurationError, match="exists already"):
        create_codec(codec, {"schema": {}})


def test_what_is_no_codec_is_refused() -> None:
    given: Any = 7
    with pytest.raises(ConfigurationError, match="codec_type is 7"):
        create_codec(given)


@pytest.mark.usefixtures("own_registry")
def test_a_registered_codec_is_created_by_its_name() -> None:
    register_codec("optionless", OptionlessCodec)
    assert isinstance(create_codec("optionless"), OptionlessCodec)
    assert codec_names() == ("json", "optionless")
    with pytest.raises(ConfigurationError, match="no option 'x'; its options are none"):
        create_codec("optionless", {"x": 1})


@pytest.mark.usefixtures("own_registry")
def test_a_name_is_given_once() -> None:
    register_codec("json", JsonCodec)
    with pytest.raises(ConfigurationError, match="already"):
        register_codec("json", OptionlessCodec)


@pytest.mark.usefixtures("own_registry")
def test_an_installed_distribution_can_bring_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("other", "sabot.codecs:JsonCodec", registry_module.ENTRY_POINT_GROUP)
    monkeypatch.setattr(
        registry_module,
        "entry_points",
        lambda **wanted: EntryPoints([point]).select(**wanted),
    )
    assert codec_names() == ("json", "other")
    assert isinstance(create_codec("other"), JsonCodec)
