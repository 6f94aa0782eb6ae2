"""How a file of a bundle changes the file of its name in the bundle that it extends.

A file that says `plugin:` takes the inherited one's place, and so does every file of tests. Any other changes it: mappings
are merged key by key, its own keys first; `tests` and `disable` are added to; lists whose items all have an `id` are merged
by it, an item of the same id replaced; other lists and values are replaced. A key with nothing behind it changes nothing. In
`gateway.yaml` an engine is replaced whole, and so is the list of routes.

Every value keeps the place where it was written, in the one file or the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from yumen.policy.reader import Path, Source

GATEWAY = "gateway.yaml"
TEST = ".test.yaml"
ADDED = (("tests",), ("disable",))
# How many levels of mappings are merged; policy files are no deeper (`yumen.policy.reader`).
DEEP, SHALLOW = 64, 1


class Part(NamedTuple):
    """A value in a file."""

    source: Source
    path: Path
    value: Any

    def at(self, key: str | int) -> Part:
        """The value of a member or item."""
        return Part(self.source, (*self.path, key), self.value[key])


def stands_alone(name: str, source: Source) -> bool:
    """Whether a file takes the place of the inherited one; what could not be read does, so that its errors are said."""
    data = source.data
    if source.diagnostics or not isinstance(data, dict) or name.endswith(TEST):
        return True
    return "plugin" in data if name != GATEWAY else "extends" not in data


def over(name: str, base: Source, child: Source) -> Source:
    """The base's file as the child's changes it."""
    out = Source(child.file)
    out.diagnostics = [*base.diagnostics, *child.diagnostics]
    if not isinstance(base.data, dict):
        return out
    gateway = name == GATEWAY
    depth = SHALLOW if gateway else DEEP
    out.data = _merged(out, Part(base, (), base.data), Part(child, (), child.data), (), depth, by_id=not gateway)
    return out


def _merged(out: Source, base: Part, child: Part, path: Path, depth: int, *, by_id: bool) -> Any:
    """Put the two together at a path of the new file."""
    mine, more = base.value, child.value
    if isinstance(mine, dict) and isinstance(more, dict) and depth >= 0:
        out.places[path] = child.source.places[child.path]
        merged = {}
        # The file's own keys come first: among globs the first that fits decides.
        for key in (*more, *(key for key in mine if key not in more)):
            place = (*path, key)
            if key in mine and key in more:
                merged[key] = _merged(out, base.at(key), child.at(key), place, depth - 1, by_id=by_id)
            else:
                merged[key] = _copied(out, (base if key in mine else child).at(key), place)
            owner = child if key in more else base
            out.key_places[place] = owner.source.key_places[(*owner.path, key)]
        return merged
    if (
        isinstance(mine, list)
        and isinstance(more, list)
        and (path in ADDED or (by_id and _have_ids(mine) and _have_ids(more)))
    ):
        items = _joined(base, child, replace=path not in ADDED)
        out.places[path] = child.source.places[child.path]
        return [_copied(out, item, (*path, index)) for index, item in enumerate(items)]
    # A key with nothing behind it takes nothing away: that would loosen a policy without saying so.
    nothing = more is None or (more == [] and by_id and isinstance(mine, list) and _have_ids(mine))
    return _copied(out, base if nothing and isinstance(mine, dict | list) else child, path)


def _joined(base: Part, child: Part, *, replace: bool) -> list[Part]:
    """The base's items and the child's; of one id the child's, in the place of the base's."""
    mine = [base.at(index) for index in range(len(base.value))]
    more = [child.at(index) for index in range(len(child.value))]
    if not replace:
        return [*mine, *more]
    new = {item.value["id"]: item for item in more}
    kept = [new.pop(item.value["id"], item) for item in mine]
    return [*kept, *new.values()]


def _have_ids(items: list[Any]) -> bool:
    """Whether every item is a mapping with an id of its own."""
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    return bool(items) and len(ids) == len(items) == len({one for one in ids if isinstance(one, str)})


def _copied(out: Source, part: Part, path: Path) -> Any:
    """A value with its places, at another path."""
    source = part.source
    out.places[path] = source.places[part.path]
    if isinstance(part.value, dict):
        for key in part.value:
            out.key_places[(*path, key)] = source.key_places[(*part.path, key)]
            _copied(out, part.at(key), (*path, key))
    elif isinstance(part.value, list):
        for index in range(len(part.value)):
            _copied(out, part.at(index), (*path, index))
    return part.value
