"""What a package imports, read from its syntax: plain, relative, inside functions, for type checkers only, and by name at run time."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NOT_PRODUCT: Final = frozenset({"tests", "test", "frontend", "node_modules", "__pycache__"})
"""Folders of a package whose files do not run in a clinic."""

_BY_NAME: Final = frozenset({"import_module", "__import__", "resolve_name", "locate", "run_module", "find_spec"})


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: the full dotted name, None if it is put together at run time, and where it stands."""

    name: str | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file of a package."""

    path: Path
    file: str
    """For people: relative to the folder that holds the package."""
    module: str
    """Its dotted name."""
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]


def read_sources(package: Path, name: str) -> tuple[list[Source], list[tuple[str, str]]]:
    """The parsed Python files of a package that is imported as `name`, and (file, reason) of those that do not parse."""
    sources: list[Source] = []
    broken: list[tuple[str, str]] = []
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package)
        if NOT_PRODUCT & set(inner.parts[:-1]) or inner.name == "conftest.py":
            continue
        file = str(Path(package.name) / inner)
        parts = inner.parent.parts if inner.name == "__init__.py" else (*inner.parent.parts, inner.stem)
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError) as error:
            broken.append((file, str(error)))
            continue
        sources.append(Source(path, file, ".".join((name, *parts)), tree))
    return sources, broken


def imports(source: Source) -> Iterator[Imported]:
    """Everything one file imports. Of `from a import b` both `a` and `a.b` are given: which of them is a module is not ours to know."""
    for node in ast.walk(source.tree):
        for name in _names(node, source):
            yield Imported(name, source.file, getattr(node, "lineno", 0))


def _names(node: ast.AST, source: Source) -> Iterable[str | None]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = _absolute(module or "", level, source)
            return [base, *(f"{base}.{alias.name}" for alias in names if alias.name != "*")]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[asked, *_]) if called in _BY_NAME:
            return [_asked(called, asked, node, source)] if _imports_by_name(node, called) else []
        case _:
            return []


def _imports_by_name(node: ast.Call, called: str) -> bool:
    """`find_spec` and `locate` are common words; they count as methods of the modules that are known for them only."""
    match node.func:
        case ast.Attribute(value=ast.Attribute(attr=owner) | ast.Name(id=owner)):
            return called in {"import_module", "__import__"} or owner in {"util", "pkgutil", "pydoc", "runpy"}
        case ast.Name():
            return called in {"import_module", "__import__", "resolve_name", "run_module"}
        case _:
            return False


def _asked(called: str, asked: ast.expr, node: ast.Call, source: Source) -> str | None:
    match asked:
        case ast.Constant(value=str(name)) if called == "resolve_name":
            return name.partition(":")[0]
        case ast.Constant(value=str(name)) if name.startswith("."):
            level = len(name) - len(name.lstrip("."))
            return _absolute(name.lstrip("."), level, source)
        case ast.Constant(value=str(name)):
            return name
        case ast.Name(id="__name__" | "__package__"):
            return source.package
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id="__name__" | "__package__")), *_]):
            return source.package
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if "." in start:
            # f"app.modules.patients.{part}": which module it is stands before the first brace.
            return start.rpartition(".")[0]
        case _:
            return None


def _absolute(name: str, level: int, source: Source) -> str:
    if not level:
        return name
    parts = source.package.split(".")
    base = parts[: len(parts) - (level - 1)]
    return ".".join([*base, *([name] if name else [])])
