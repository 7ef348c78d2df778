"""Reading COPY text and comparing rows."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.plugins.backup.archive import CopyHeader, LineSplitter, RowDigest, copy_blocks, parse_header

lines = st.lists(st.binary(max_size=20).map(lambda value: value.replace(b"\n", b"")))


def digest(rows):
    value = RowDigest()
    value.add(rows)
    return value.rows, value.value()


@given(lines, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert digest(rows) == digest(shuffled)


def test_duplicates_and_single_changes_matter():
    assert digest([b"a", b"a"]) != digest([b"b", b"b"])
    assert digest([b"a", b"b"]) != digest([b"a", b"c"])
    assert digest([b"a"]) != digest([b"a", b"a", b"a"])


@given(lines, st.integers(min_value=1, max_value=7))
def test_lines_come_out_whole_however_the_stream_is_cut(rows, size):
    data = b"".join(row + b"\n" for row in rows)
    splitter = LineSplitter()
    found = [line for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    assert found == rows
    assert not splitter.unfinished


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"COPY public.items (id, name) FROM stdin;", CopyHeader("public", "items", ("id", "name"))),
        (b'COPY public."Odd ""name" ("a, b", ") FROM", c) FROM stdin;', CopyHeader("public", 'Odd "name', ("a, b", ") FROM", "c"))),
        (b"COPY items (id) FROM stdin;", CopyHeader(None, "items", ("id",))),
    ],
)
def test_headers_are_read_with_their_quoting(line, header):
    assert parse_header(line) == header


async def _blocks(script: bytes):
    stream = asyncio.StreamReader()
    stream.feed_data(script)
    stream.feed_eof()
    return [(header.table, batch) async for header, batch in copy_blocks(stream)]


async def test_rows_that_look_like_statements_are_rows():
    script = (
        b"SET x = 1;\nCOPY public.a (b) FROM stdin;\nCOPY public.c (d) FROM stdin;\n\\\\.\n\\.\n"
        b"SELECT 1;\nCOPY public.e (f) FROM stdin;\n\\.\n"
    )
    blocks = await _blocks(script)
    assert [(table, batch) for table, batch in blocks if batch] == [("a", [b"COPY public.c (d) FROM stdin;", b"\\\\."])]
    assert {table for table, _ in blocks} == {"a", "e"}


async def test_a_script_that_ends_inside_a_table_is_an_error():
    with pytest.raises(EOFError):
        await _blocks(b"COPY public.a (b) FROM stdin;\n1\n")
