"""The guide's rules for versions (§8): against a release's tag, a given commit, the history of surface.json, or surface.json itself."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from app.core.plugins.loader import DiscoveredModule
from app.core.plugins.manifest import VERSION_PATTERN, version_key

from .issues import Issue, issue
from .surface import FILE, Step, Surface, compare, needed, read_surface, revision_changes, stepped

CHANGELOG: Final = "CHANGELOG.md"
_HEADING: Final = re.compile(r"^## +(?P<text>.+?)\s*$", re.MULTILINE)
_DATED: Final = re.compile(rf"^(?P<version>{VERSION_PATTERN.strip('^$')}) - (?P<date>\d{{4}}-\d{{2}}-\d{{2}})$")
_UPDATE: Final = "run `dentalpin modules check --update`"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the module is compared with."""

    surface: Surface
    said: str
    """Where it comes from, for messages."""
    release: str | None = None
    """The tag of the release, or the commit that was asked for: from there on every change of a file counts. None where it is neither."""


def version_issues(found: DiscoveredModule, home: Path, *, against: str | None = None, sole: bool = True) -> Iterator[Issue]:
    """The rules for a module whose changelog and surface.json lie in `home`. `sole`: its distribution holds no other module."""
    yield from _changelog_issues(found, home)
    if sole and not found.of_core and found.distribution_version and found.distribution_version != found.manifest.version:
        text = (
            f"{found.name}: the distribution is {found.distribution_version}, the manifest says {found.manifest.version}; make them equal"
        )
        yield issue("DISTRIBUTION_VERSION_DIFFERS", text, found.name)
    current, kept = read_surface(found), kept_surface(home)
    if kept is None:
        yield issue("SURFACE_MISSING", f"{found.name}: there is no usable {FILE} beside the changelog; {_UPDATE} and commit it", found.name)
    elif kept != current:
        told = "; ".join(change.text for change in compare(kept, current)[:3]) or "the version or a revision's file"
        yield issue("SURFACE_STALE", f"{found.name}: {FILE} is not what the code offers ({told}); {_UPDATE} and commit it", found.name)
    baseline = find_baseline(home, current, kept, against)
    if baseline is not None:
        yield from _step_issues(found, home, current, baseline)


def update_surface(found: DiscoveredModule, home: Path) -> Path:
    """Write surface.json as the code is."""
    file = home / FILE
    file.write_text(read_surface(found).text(), encoding="utf-8")
    return file


def kept_surface(home: Path) -> Surface | None:
    """What surface.json says; None if it is not there or cannot be read."""
    file = home / FILE
    return _parsed(file.read_text(encoding="utf-8")) if file.is_file() else None


def find_baseline(home: Path, current: Surface, kept: Surface | None, against: str | None) -> Baseline | None:
    """`against` if it is given, else the newest release that has a tag, else the last other version that was committed or kept."""
    if against is not None:
        surface = _at(home, against)
        return Baseline(surface, f"at {against}", against) if surface is not None else None
    for tag in _git(home, "tag", "--merged", "HEAD", "--sort=-creatordate").splitlines():
        surface = _at(home, tag)
        if surface is not None:
            return Baseline(surface, f"released as {tag}", tag)
    for commit in _git(home, "log", "--format=%H", "-n", "200", "--", FILE).splitlines():
        surface = _at(home, commit)
        if surface is not None and surface.version != current.version:
            return Baseline(surface, f"{surface.version} of commit {commit[:10]}")
    if kept is not None and kept.version != current.version:
        return Baseline(kept, f"{kept.version} of {FILE}")
    return None


def _step_issues(found: DiscoveredModule, home: Path, current: Surface, baseline: Baseline) -> Iterator[Issue]:
    name, old, new = found.name, baseline.surface.version, current.version
    removed, edited = revision_changes(baseline.surface, current)
    for revision in removed:
        text = f"{name}: the revision {revision} ({baseline.said}) is gone; databases that ran it need it, so bring it back"
        yield issue("REVISION_REMOVED", text, name)
    for revision in edited:
        text = (
            f"{name}: the revision {revision} ({baseline.said}) was edited; databases that ran it will not see that. Add a revision instead"
        )
        yield issue("REVISION_CHANGED", text, name)
    if version_key(new) < version_key(old):
        yield issue("VERSION_WENT_BACK", f"{name}: the version is {new}, and was {old} ({baseline.said}); it only rises", name)
        return
    changes = compare(baseline.surface, current)
    step, lowest = needed(old, max((change.step for change in changes), default=Step.NONE))
    if step is Step.NONE and baseline.release is not None and _files_changed(found, home, baseline.release):
        step, lowest = needed(old, Step.PATCH)
    if step is Step.NONE or stepped(old, new) >= step:
        return
    told = "; ".join(change.text for change in changes[:5]) or "files of the package changed"
    code = "VERSION_NOT_BUMPED" if new == old else "VERSION_BUMP_TOO_SMALL"
    text = f"{name}: since {old} ({baseline.said}): {told}. That is a {step.name.lower()} step: make the version {lowest} or higher"
    yield issue(code, text, name)


def _files_changed(found: DiscoveredModule, home: Path, since: str) -> bool:
    changed = _git(home, "diff", "--name-only", since, "--", str(found.package_path.resolve())).splitlines()
    return any("/tests/" not in f"/{file}" and not file.endswith(".md") and Path(file).name != FILE for file in changed)


def _changelog_issues(found: DiscoveredModule, home: Path) -> Iterator[Issue]:
    name, version, file = found.name, found.manifest.version, home / CHANGELOG
    if not file.is_file():
        yield issue("CHANGELOG_MISSING", f"{name}: there is no {CHANGELOG}; begin one with `## {version} - {date.today():%Y-%m-%d}`", name)  # noqa: DTZ011  the author's own day
        return
    headings = [match["text"] for match in _HEADING.finditer(file.read_text(encoding="utf-8"))]
    dated = [match for heading in headings if (match := _DATED.match(heading)) is not None]
    for heading in headings:
        match = _DATED.match(heading)
        if (match is None or not _is_date(match["date"])) and heading.strip("[]").lower() != "unreleased":
            yield issue("CHANGELOG_HEADING", f"{name}: {CHANGELOG} says `## {heading}`; write `## X.Y.Z - YYYY-MM-DD`", name)
    versions = [match["version"] for match in dated]
    if versions != sorted(versions, key=version_key, reverse=True):
        yield issue("CHANGELOG_HEADING", f"{name}: the versions of {CHANGELOG} are out of order; the newest stands first", name)
    if versions[:1] != [version]:
        text = f"{name}: {CHANGELOG} has no entry for {version}; put `## {version} - YYYY-MM-DD` on top and say what changed"
        yield issue("CHANGELOG_ENTRY_MISSING", text, name)


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _at(home: Path, reference: str) -> Surface | None:
    return _parsed(_git(home, "show", f"{reference}:./{FILE}"))


def _parsed(text: str) -> Surface | None:
    try:
        return Surface.model_validate_json(text)
    except ValidationError:
        return None


def _git(home: Path, *arguments: str) -> str:
    """What git says, empty where there is no repository, no git, or no such thing."""
    command: Sequence[str] = ("git", "-C", str(home.resolve()), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
