"""Seed files as the author wrote them: parsed, checked, each record with its place for messages. Nothing here knows the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from .errors import SeedInvalid

_XML_ID: Final = r"^[a-z][a-z0-9_]*\.[A-Za-z0-9_.-]+$"


class SeedRecord(BaseModel):
    """One entry of a seed file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    xml_id: Annotated[str, StringConstraints(pattern=_XML_ID, max_length=200)]
    table: str
    noupdate: bool = False
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """A record with its place in a file, for messages."""

    record: SeedRecord
    file: str
    index: int

    def invalid(self, reason: str) -> SeedInvalid:
        return SeedInvalid(self.file, reason, index=self.index, xml_id=self.record.xml_id)


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_seeds(module: str, package: Path, data_files: Sequence[str]) -> list[PlacedRecord]:
    """The records of a module's files, in order. Raises SeedInvalid naming file, entry and what to do."""
    placed: list[PlacedRecord] = []
    seen: dict[str, str] = {}
    for file in data_files:
        for record in _read_file(package, file):
            identifier = record.record.xml_id
            if not identifier.startswith(f"{module}."):
                raise record.invalid(f"write xml_id as {module}.{identifier.partition('.')[2]}: a module names its own records only")
            if identifier in seen:
                raise record.invalid(f"this xml_id stands in {seen[identifier]} already; give each record one of its own")
            seen[identifier] = f"{file}, entry {record.index + 1}"
            placed.append(record)
    return placed


def _read_file(package: Path, file: str) -> Iterable[PlacedRecord]:
    path = package / file
    if not path.resolve().is_relative_to(package.resolve()):
        raise SeedInvalid(file, "seed files lie inside the module's package; correct data_files in the manifest")
    try:
        entries = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SeedInvalid(file, "the manifest names this seed file, but the package has none; add it to the package data") from None
    except UnicodeDecodeError as error:
        raise SeedInvalid(file, f"the file is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise SeedInvalid(file, f"this is no YAML: {_yaml_problem(error)}. Correct the file") from None
    if entries is None:
        return
    if not isinstance(entries, list):
        raise SeedInvalid(file, "a seed file is a list of records, each starting with `- xml_id:`")
    for index, entry in enumerate(entries):
        identifier = str(entry.get("xml_id")) if isinstance(entry, dict) and entry.get("xml_id") else None
        try:
            yield PlacedRecord(SeedRecord.model_validate(entry), file, index)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the record"
            hint = "a record has xml_id (module.name), table, values and optionally noupdate"
            raise SeedInvalid(file, f"{where}: {first['msg']}; {hint}", index=index, xml_id=identifier) from None


def _parsed(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506  either of the two is a safe loader
    except yaml.YAMLError:
        # Ten times slower, and says better what is wrong and where.
        return yaml.safe_load(text)


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} at line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return str(error).splitlines()[0]
