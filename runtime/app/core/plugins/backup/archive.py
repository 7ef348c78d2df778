"""COPY text: reading it out of a dump, and the digest by which rows are compared."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

_CHUNK = 1 << 18
_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\s",.()]+)'
_HEADER = re.compile(rf"^COPY (?:({_IDENTIFIER})\.)?({_IDENTIFIER}) (?:\((.*)\) )?FROM stdin;$")
_END = b"\\."
_MODULUS = 1 << 256


class RowDigest:
    """Counts rows and adds up their SHA-256 modulo 2^256: equal for the same rows in any order, and duplicates count.

    Rows are lines of COPY text without their line end; a line end inside a value is escaped there.
    """

    __slots__ = ("_sum", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, lines: Iterable[bytes]) -> None:
        total = 0
        for line in lines:
            total += int.from_bytes(hashlib.sha256(line).digest(), "big")
            self.rows += 1
        self._sum = (self._sum + total) % _MODULUS

    def value(self) -> str:
        return f"sum-sha256:{self._sum:064x}"


class LineSplitter:
    """Cuts a stream of bytes into whole lines."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete by now."""
        head, separator, tail = data.rpartition(b"\n")
        if not separator:
            self._rest.append(data)
            return []
        lines = b"".join([*self._rest, head]).split(b"\n")
        self._rest = [tail] if tail else []
        return lines

    @property
    def unfinished(self) -> bool:
        return bool(self._rest)


@dataclass(frozen=True)
class CopyHeader:
    schema: str | None
    table: str
    columns: tuple[str, ...]


class ByteStream(Protocol):
    async def read(self, n: int = -1) -> bytes: ...


def _unquote(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier


def parse_header(line: bytes) -> CopyHeader | None:
    """The table and columns of a `COPY … FROM stdin;` line as pg_restore writes it; None for any other line."""
    if not line.startswith(b"COPY "):
        return None
    match = _HEADER.match(line.decode())
    if match is None:
        return None
    schema, table, columns = match.groups()
    names = re.findall(_IDENTIFIER, columns) if columns else []
    return CopyHeader(_unquote(schema) if schema else None, _unquote(table), tuple(_unquote(name) for name in names))


async def copy_blocks(stream: ByteStream) -> AsyncIterator[tuple[CopyHeader, list[bytes]]]:
    """Yield the rows of a script by pg_restore in batches, each with its table; every table comes at least once, if only with no rows.

    Raises EOFError if the script ends inside a table.
    """
    splitter = LineSplitter()
    header: CopyHeader | None = None
    while data := await stream.read(_CHUNK):
        lines = splitter.feed(data)
        while lines:
            if header is None:
                header, lines = _skip_to_header(lines)
                if header is not None:
                    yield header, []
                continue
            if _END in lines:
                end = lines.index(_END)
                batch, lines = lines[:end], lines[end + 1 :]
                yield header, batch
                header = None
            else:
                yield header, lines
                lines = []
    if header is not None or splitter.unfinished:
        raise EOFError("the script ends inside a table")


def _skip_to_header(lines: list[bytes]) -> tuple[CopyHeader | None, list[bytes]]:
    for index, line in enumerate(lines):
        header = parse_header(line)
        if header is not None:
            return header, lines[index + 1 :]
    return None, []
