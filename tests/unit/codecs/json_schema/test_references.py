from __future__ import annotations

from sabot.codecs.json_schema.references import References

OTHER = {"$id": "https://example.org/schemas/other.json", "title": "other"}
REFERENCES = References({"title": "root"}, {"other.json": OTHER})


def test_a_document_is_found_by_its_name_its_id_and_an_absolute_form_of_its_name() -> None:
    for uri in (
        "other.json",
        "https://example.org/schemas/other.json",
        "https://example.com/somewhere/other.json",
    ):
        assert REFERENCES.document(uri) == (OTHER, "other.json")
    assert REFERENCES.document("another.json") is None


def test_a_reference_within_another_document_stays_there() -> None:
    assert REFERENCES.find("#", "other.json") == (OTHER, "other.json")
    assert REFERENCES.find("#/title", "other.json") == ("other", "other.json")


def test_anchors_are_not_followed() -> None:
    assert REFERENCES.find("#anchor", "") == (None, "")
