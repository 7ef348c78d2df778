"""Which tables a text of SQL makes, changes, reads and refers to: enough of PostgreSQL's grammar for migrations, and no more.

Comments and plain strings are skipped; bodies in dollar quotes (functions, DO blocks) are read like the rest, and so are the strings in
them, since that is where dynamic SQL stands. What cannot be told apart from a table by grammar alone (the name of a query in WITH, a
function after FROM) is no table any migration made, so that callers who compare with known tables never see it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<dollar>\$(?P<tag>[A-Za-z_]*)\$(?P<body>.*?)\$(?P=tag)\$)
  | (?P<string>[eE]?'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<word>[A-Za-z_][\w$]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NOT_TABLES: Final = frozenset(
    {"select", "lateral", "only", "if", "not", "exists", "set", "values", "unnest", "generate_series", "nothing"}
)
_KINDS: Final = ("table", "view", "sequence", "index")


@dataclass(slots=True)
class Touched:
    """Tables (and views) by what is done to them, without a schema and in PostgreSQL's spelling."""

    made: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    """ALTER, CREATE INDEX or TRIGGER ON, INSERT, UPDATE, DELETE, TRUNCATE, LOCK, COMMENT ON, renamed."""
    read: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    """Targets of foreign keys."""
    renamed: dict[str, str] = field(default_factory=dict)

    def __ior__(self, other: "Touched") -> "Touched":
        self.made |= other.made
        self.dropped |= other.dropped
        self.changed |= other.changed
        self.read |= other.read
        self.references |= other.references
        self.renamed |= other.renamed
        return self


def scan(sql: str) -> Touched:
    """What a text of SQL, of any number of statements, does to tables."""
    touched = Touched()
    for statement in _statements(_tokens(sql)):
        _scan(statement, touched)
    return touched


def _tokens(sql: str, *, strings: bool = False) -> Iterator[str]:
    """Words in lower case, quoted names with their quote as mark, `;` and other single characters."""
    for match in _TOKEN.finditer(sql):
        if match["body"] is not None:
            yield ";"
            yield from _tokens(match["body"], strings=True)
            yield ";"
        elif match["string"] is not None:
            if strings and re.search(r"\s", match["string"]):
                yield ";"
                yield from _tokens(match["string"].strip("eE'").replace("''", "'"))
                yield ";"
            else:
                yield "''"
        elif match["quoted"] is not None:
            yield '"' + match["quoted"][1:-1].replace('""', '"')
        elif match["word"] is not None:
            yield match["word"].lower()
        elif match["other"] is not None:
            yield match["other"]


def _statements(words: Iterator[str]) -> Iterator[list[str]]:
    statement: list[str] = []
    for word in words:
        if word == ";":
            yield statement
            statement = []
        else:
            statement.append(word)
    yield statement


def _scan(words: Sequence[str], touched: Touched) -> None:
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        match word:
            case "references":
                _add(touched.references, words, place + 1)
            case "table" | "view" if "create" in words[max(0, place - 4) : place]:
                _add(touched.made, words, place + 1)
            case "table" | "view" if before == "drop" or words[max(0, place - 2) : place] == ["drop", "materialized"]:
                _add_list(touched.dropped, words, place + 1)
            case "table" | "view" | "sequence" if before in {"alter", "materialized"}:
                _alter(words, place + 1, touched)
            case "into" if before == "insert" or "merge" in words[max(0, place - 1) : place]:
                _add(touched.changed, words, place + 1)
            case "update" if before not in {"for", "on", "or", "key", "do", "after", "before", "of", "no"} and "," not in before:
                _add(touched.changed, words, place + 1)
            case "from" if before == "delete":
                _add(touched.changed, words, place + 1)
            case "truncate" | "lock":
                _add_list(touched.changed, words, place + (2 if words[place + 1 : place + 2] == ["table"] else 1))
            case "on" if _is_made_on(words, place):
                _add(touched.changed, words, place + 1)
            case "from" | "join" | "using" if before != "distinct":
                _add_list(touched.read, words, place + 1) if word == "from" else _add(touched.read, words, place + 1)


def _is_made_on(words: Sequence[str], place: int) -> bool:
    """CREATE INDEX … ON, CREATE TRIGGER … ON, CREATE POLICY … ON, CREATE RULE: the name after the first ON of such a statement."""
    head = words[: min(place, 8)]
    return bool(head) and head[0] == "create" and bool({"index", "trigger", "policy"} & set(head)) and "on" not in words[:place]


def _alter(words: Sequence[str], place: int, touched: Touched) -> None:
    name, end = _name(words, place)
    if name is None:
        return
    touched.changed.add(name)
    if list(words[end : end + 2]) == ["rename", "to"]:
        target, _ = _name(words, end + 2)
        if target is not None:
            touched.renamed[name] = target


def _add(target: set[str], words: Sequence[str], place: int) -> None:
    name, end = _name(words, place)
    # A name with an opening bracket after it is a function, except where columns may follow: REFERENCES x (id), INSERT INTO x (a).
    if name is not None and (words[end : end + 1] != ["("] or words[place - 1] in {"references", "into", "table", "view", "exists", "on"}):
        target.add(name)


def _add_list(target: set[str], words: Sequence[str], place: int) -> None:
    while True:
        name, end = _name(words, place)
        if name is None:
            return
        if words[end : end + 1] != ["("]:
            target.add(name)
        if words[end : end + 1] == ["as"]:
            end += 1
        if end < len(words) and words[end] != "," and re.match(r'["\w]', words[end]) and words[end + 1 : end + 2] == [","]:
            end += 1
        if words[end : end + 1] != [","]:
            return
        place = end + 1


def _name(words: Sequence[str], place: int) -> tuple[str | None, int]:
    """The table's name at a place, without its schema, and where it ends; None where there is none."""
    while place < len(words) and words[place] in {"if", "not", "exists", "only", "concurrently"}:
        place += 1
    name: str | None = None
    while place < len(words) and re.match(r'["a-z_]', words[place]):
        if not words[place].startswith('"') and words[place] in _NOT_TABLES:
            return None, place
        name = words[place].removeprefix('"')
        place += 1
        if words[place : place + 1] != ["."]:
            break
        place += 1
    return name, place
