import pytest

from dentalpin_kit.canonical import canonical_json, digest, digest_text


def test_the_order_of_keys_does_not_matter():
    assert digest({"b": 1, "a": [1, 2]}) == digest({"a": [1, 2], "b": 1})


def test_the_text_has_sorted_keys_no_spaces_and_utf_8():
    assert canonical_json({"name": "Clínica Peña", "a": None}) == '{"a":null,"name":"Clínica Peña"}'


def test_a_digest_names_its_algorithm():
    assert digest_text("") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_without_a_json_text_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_other_types_are_refused():
    with pytest.raises(TypeError):
        canonical_json({"x": object()})
