"""What is stored tells nothing, and nothing else opens in its place."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.backups.sealing import CHUNK, HEADER, BackupDamaged, seal, unseal

KEY, CONTEXT = os.urandom(32), "backups/t/b/database"
STORED = CHUNK + 16


async def pieces(content, size=70_000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def sealed(content, size=70_000):
    return b"".join([piece async for piece in seal(pieces(content, size), KEY, CONTEXT)])


async def opened(stored, key=KEY, context=CONTEXT, size=70_000):
    return b"".join([piece async for piece in unseal(pieces(stored, size), key, context)])


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
async def test_it_comes_back_whatever_its_length(size):
    content = os.urandom(size)

    assert await opened(await sealed(content)) == content


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 3000), read=st.integers(1, 5000), length=st.integers(0, 4000))
async def test_how_it_is_cut_on_the_way_does_not_matter(size, read, length):
    content = os.urandom(length)

    assert await opened(await sealed(content, size), size=read) == content


async def test_the_same_content_looks_different_each_time():
    content = b"allergic to penicillin" * 10

    first, second = await sealed(content), await sealed(content)

    assert first != second
    assert b"penicillin" not in first


@pytest.fixture(scope="module")
def content():
    return os.urandom(2 * CHUNK + 500)


def changed(stored, position):
    return stored[:position] + bytes([stored[position] ^ 1]) + stored[position + 1 :]


DAMAGES = {
    "changed at its beginning": lambda stored: changed(stored, 0),
    "changed in the wrapped key": lambda stored: changed(stored, 20),
    "changed in the middle": lambda stored: changed(stored, HEADER + STORED + 9),
    "changed at its end": lambda stored: changed(stored, len(stored) - 1),
    "ends after the header": lambda stored: stored[:HEADER],
    "ends within the header": lambda stored: stored[: HEADER - 1],
    "is empty": lambda stored: b"",
    "ends after a whole chunk": lambda stored: stored[: HEADER + 2 * STORED],
    "lacks a chunk": lambda stored: stored[:HEADER] + stored[HEADER + STORED :],
    "has a chunk twice": lambda stored: stored[: HEADER + STORED] + stored[HEADER:],
    "has chunks in another order": lambda stored: (
        stored[:HEADER] + stored[HEADER + STORED : HEADER + 2 * STORED] + stored[HEADER : HEADER + STORED] + stored[HEADER + 2 * STORED :]
    ),
    "has something after its end": lambda stored: stored + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_what_was_altered_does_not_open(content, damage):
    with pytest.raises(BackupDamaged, match="backups/t/b/database"):
        await opened(damage(await sealed(content)))


async def test_it_opens_with_the_tenants_key_and_in_its_own_place_only(content):
    stored = await sealed(content)

    with pytest.raises(BackupDamaged):
        await opened(stored, key=os.urandom(32))
    with pytest.raises(BackupDamaged):
        await opened(stored, context="backups/t/another/database")
