"""Hiding what may be a patient's: pure functions of a value and the model it was declared with."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.core.support import SHOWN
from app.core.support.masking import HIDDEN, mask_of, masked

ID = "0c0ffee0-0000-4000-8000-000000000001"


class Tooth(BaseModel):
    number: int
    state: Annotated[str, SHOWN]


class Chart(BaseModel):
    id: UUID
    patient: str
    born: date
    pregnant: bool
    weight: float
    teeth: list[Tooth]
    free: dict[str, Any]
    label: Annotated[str | None, SHOWN] = None
    either: Tooth | str = ""
    parent: "Chart | None" = None
    other: str = Field("", serialization_alias="otherName")


CHART = {
    "id": ID,
    "patient": "Ana",
    "born": "1980-01-01",
    "pregnant": True,
    "weight": 61.5,
    "teeth": [{"number": 24, "state": "sound"}],
    "free": {"Ana": 1},
    "label": "annual",
    "either": {"number": 1, "state": "crown of Ana"},
    "parent": {"patient": "Eva"},
    "otherName": "Ana",
    "not of the model": "Ana",
}


def test_only_what_is_marked_and_identifiers_are_shown():
    assert masked({"data": CHART, "message": "Ana was found"}, mask_of(ApiResponse[Chart])) == {
        "data": {
            "id": ID,
            "patient": HIDDEN,
            "born": HIDDEN,
            "pregnant": None,
            "weight": None,
            "teeth": [{"number": None, "state": "sound"}],
            "free": HIDDEN,
            "label": "annual",
            "either": HIDDEN,
            "parent": HIDDEN,
            "otherName": HIDDEN,
        },
        "message": HIDDEN,
    }


def test_pages_of_things_are_masked_one_by_one_and_counted():
    page = {"data": [CHART, CHART], "total": 2, "page": 1, "page_size": 20, "message": None}
    seen = masked(page, mask_of(PaginatedApiResponse[Chart]))
    assert (seen["total"], seen["page"], [each["patient"] for each in seen["data"]]) == (2, 1, [HIDDEN, HIDDEN])


def test_what_was_declared_as_nothing_in_particular_is_hidden_whole():
    for declared in (None, dict, dict[str, Any], Any, str):
        assert masked({"Ana": "1980"}, mask_of(declared)) == HIDDEN
        assert masked(["Ana", 7, ID, None, True], mask_of(declared)) == [HIDDEN, None, ID, None, None]


def test_an_identifier_is_one_only_when_it_is_nothing_else():
    assert masked(f"{ID} is Ana", mask_of(str)) == HIDDEN
