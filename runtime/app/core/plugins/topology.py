"""Order among modules: dependencies first for installs, last for removals. Pure functions over {name: depends}."""

from collections.abc import Iterable, Mapping, Sequence


def ordered(depends: Mapping[str, Iterable[str]]) -> list[str]:
    """Every module after those it needs; ties by name, so that the order is the same everywhere. Members of cycles come last."""
    remaining = {name: {need for need in needs if need in depends} for name, needs in depends.items()}
    order: list[str] = []
    while remaining:
        ready = sorted(name for name, needs in remaining.items() if not needs & remaining.keys())
        if not ready:
            return order + sorted(remaining)
        order += ready
        for name in ready:
            del remaining[name]
    return order


def cycles(depends: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Groups of modules that need each other, each in the order of the need, starting with the smallest name."""
    reach = {name: closure([name], depends) for name in depends}
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for name in sorted(depends):
        if name in seen:
            continue
        group = {other for other in reach[name] if name in reach.get(other, ())}
        if name in group:
            seen |= group
            found.append(_walk(name, group, depends))
    return found


def _walk(start: str, group: set[str], depends: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    path, current = [start], start
    while True:
        onward = sorted(need for need in depends[current] if need in group and need not in path)
        if not onward:
            return tuple(path)
        current = onward[0]
        path.append(current)


def closure(names: Iterable[str], depends: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Everything the given modules need, directly or not. Contains a given module only if another needs it."""
    found: set[str] = set()
    queue: list[str] = [need for name in names for need in depends.get(name, ())]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += depends.get(name, ())
    return frozenset(found)


def dependents(names: Iterable[str], depends: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Everything that needs one of the given modules, directly or not."""
    reverse: dict[str, list[str]] = {}
    for name, needs in depends.items():
        for need in needs:
            reverse.setdefault(need, []).append(name)
    return closure(names, reverse)


def in_order(names: Iterable[str], depends: Mapping[str, Iterable[str]]) -> Sequence[str]:
    """The given names, dependencies first."""
    wanted = set(names)
    return [name for name in ordered(depends) if name in wanted] + sorted(wanted - depends.keys())
