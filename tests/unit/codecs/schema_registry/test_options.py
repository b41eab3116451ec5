from __future__ import annotations

from typing import Any

import pytest

from sabot.codecs.schema_registry import registry_settings
from sabot.errors import ConfigurationError

URL = "http://localhost:8081"


def client_config(**options: Any) -> dict[str, Any]:
    settings = registry_settings("avro", {"schema_registry_url": URL, **options})
    assert settings is not None
    return settings.client_config()


def test_a_request_ends_and_is_repeated_unless_told_otherwise() -> None:
    config = client_config()
    assert (config["url"], config["timeout"], config["max.retries"]) == (URL, 10.0, 2)
    config = client_config(schema_registry_timeout_seconds=1, schema_registry_retries=0)
    assert (config["timeout"], config["max.retries"]) == (1, 0)


def test_authentication_and_certificates_reach_the_client() -> None:
    config = client_config(
        schema_registry_basic_auth="ann:se:cret",
        schema_registry_ssl_ca="ca.pem",
        schema_registry_ssl_cert="cert.pem",
        schema_registry_ssl_key="key.pem",
    )
    assert config["basic.auth.user.info"] == "ann:se:cret"
    assert config["ssl.ca.location"] == "ca.pem"
    assert config["ssl.certificate.location"] == "cert.pem"
    assert config["ssl.key.location"] == "key.pem"


def test_the_clients_own_properties_are_passed_as_they_are_and_win() -> None:
    config = client_config(schema_registry_config={"proxy": "http://p", "timeout": 3})
    assert (config["proxy"], config["timeout"]) == ("http://p", 3)


def test_several_registries_may_be_named() -> None:
    settings = registry_settings("avro", {"schema_registry_url": [URL, "https://other"]})
    assert settings is not None
    assert settings.schema_registry_url == f"{URL},https://other"


def test_without_a_registry_there_are_no_settings() -> None:
    assert registry_settings("avro", {"topic": "t", "for_key": False}) is None
    with pytest.raises(ConfigurationError, match="no 'schema_registry_url' they are for"):
        registry_settings("avro", {"subject": "s"})


def test_a_secret_is_in_no_message_and_no_text() -> None:
    settings = registry_settings(
        "avro", {"schema_registry_url": URL, "schema_registry_basic_auth": "ann:secret"}
    )
    assert "secret" not in repr(settings)
    with pytest.raises(ConfigurationError) as caught:
        client_config(schema_registry_basic_auth="secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"subjekt": "s"}, "did you mean 'subject'"),
        ({"schema_registry_url": "localhost:8081"}, "must be a URL"),
        ({"schema_registry_url": []}, "must be a URL"),
        ({"subject_name_strategy": "topics"}, "did you mean 'topic'"),
        ({"subject": 7}, "must be text"),
        ({"schema_registry_timeout_seconds": 0}, "above 0"),
        ({"schema_registry_retries": -1}, "at least 0"),
        ({"schema_registry_retries": 1.5}, "at least 0"),
        ({"auto_register": "no"}, "True or False"),
        ({"schema_registry_config": "timeout=3"}, "a dict"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(options: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        client_config(**options)
