"""The forms of a handler."""

import pytest

from app.core.events.errors import HandlerSignature
from app.core.events.handlers import invocation_of

SESSION, DATA = object(), {"n": 1}
seen = []


async def guide(db, data):
    seen.append((db, data))


async def guide_with_other_names(session, payload):
    seen.append((session, payload))


async def data_only(data):
    seen.append((None, data))


async def public(data, *, db):
    seen.append((db, data))


async def public_optional(data, *, db=None):
    seen.append((db, data))


async def data_first(data, db):
    seen.append((db, data))


def plain(db, data, tries=3, **extra):
    seen.append((db, data))


class Owner:
    async def method(self, db, data):
        seen.append((db, data))


@pytest.mark.parametrize(
    ("handler", "gets_session"),
    [
        (guide, True),
        (guide_with_other_names, True),
        (data_only, False),
        (public, True),
        (public_optional, True),
        (data_first, True),
        (plain, True),
        (Owner().method, True),
    ],
)
async def test_a_handler_is_called_the_way_it_is_written(handler, gets_session):
    seen.clear()

    await invocation_of(handler)(SESSION, DATA)

    assert seen == [(SESSION if gets_session else None, DATA)]


async def nothing():
    pass


async def three(db, data, more):
    pass


async def by_keyword(*, data):
    pass


@pytest.mark.parametrize("handler", [nothing, three, by_keyword])
def test_a_handler_of_another_form_is_refused_with_the_known_ones(handler):
    with pytest.raises(HandlerSignature, match=r"handler\(db, data\)"):
        invocation_of(handler)
