import pytest

from control_plane.languages import preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es-ES,es;q=0.9,en;q=0.8", "es"),
        ("en-GB,es;q=0.5", "en"),
        ("fr,de", "en"),
        ("fr, es;q=0.4, en;q=0.3", "es"),
        ("es;q=0, en", "en"),
        ("es;q=nonsense", "en"),
        ("EN,ES", "en"),
    ],
)
def test_the_reader_s_best_language_is_chosen(header: str | None, language: str):
    assert preferred(header) == language
