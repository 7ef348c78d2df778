"""What is found and in which order is decided by these pure functions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.modules.patients import normalise

# A busy machine must not fail a property by being slow.
unhurried = settings(deadline=None)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Ana", "García López", "garcia lopez ana"),
        ("  JOSÉ  María ", "Núñez-Ortiz", "nunez ortiz jose maria"),
        ("Zoë", "", "zoe"),
        ("Łukasz", "Ærø Straße", "aero strasse lukasz"),
    ],
)
def test_names_are_ordered_without_case_accents_or_punctuation(first, last, expected):
    assert normalise.sort_name(first, last) == expected


@pytest.mark.parametrize("written", ["+34 600 123 456", "0034600123456", "34-600-123456", "(34) 600.123.456"])
def test_one_phone_number_has_one_form(written):
    assert normalise.phone_digits(written) == "34600123456"


def test_a_document_is_compared_without_its_separators():
    assert normalise.document_key("12.345.678-Z") == normalise.document_key("12345678z") == "12345678z"


def test_a_spaced_phone_number_is_one_search_word():
    assert normalise.needles("600 123 456") == ["600123456"]


def test_words_are_searched_for_longest_first():
    assert normalise.needles(" Ana  GARCÍA ana ") == ["garcia", "ana"]


@unhurried
@given(st.text(max_size=30), st.text(max_size=30))
def test_a_patient_is_found_by_every_word_of_the_name(first, last):
    text = normalise.search_text(first_name=first, last_name=last, national_id=None, email=None, phone=None)

    assert all(word in text for word in normalise.fold(f"{first} {last}").split())


@unhurried
@given(st.text(max_size=400))
def test_a_sort_key_fits_into_an_index(name):
    assert len(normalise.sort_name(name, name).encode()) <= 800


@unhurried
@given(st.text(max_size=20))
def test_what_is_searched_for_is_taken_literally(word):
    pattern = normalise.like_pattern(word)

    unescaped = pattern[1:-1].replace("\\\\", "\0").replace("\\%", "%").replace("\\_", "_").replace("\0", "\\")
    assert unescaped == word or "\0" in word
