"""What plugins and engines are told: compared value by value, since only they know what is looser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from yumen.policy.diff.side import Change, Section, Side, shown
from yumen.policy.reader import LINES, Path, Source

# A configuration with its bundle and the file that it stands in.
Placed = tuple[Side, Source, msgspec.Struct]


class _Missing:
    """No value."""


MISSING = _Missing()


def compare_values(section: Section, subject: str, old: Placed, new: Placed, below: Path) -> Iterator[Change]:
    """Differences of two configurations that stand below a path, defaults put in.

    What refers to the environment is compared and shown as it is written: what it stands for may be a secret. Of a file of
    lines the number and a digest are shown.
    """
    values = [_written(_plain(config), _at(source.data, below)) for _, source, config in (old, new)]
    for path, was, now in _differences(values[0], values[1], ()):
        name = _dotted(path)
        key = path[-1] if path else ""
        if was is MISSING:
            place = new[1].place((*below, *path))
            yield new[0].change(section, "added", "unsure", subject, f"{name}: {shown(key, now)}", place)
        elif now is MISSING:
            place = old[1].place((*below, *path))
            yield old[0].change(section, "removed", "unsure", subject, f"{name}: {shown(key, was)}", place)
        else:
            place = new[1].place((*below, *path))
            what = f"{name}: {shown(key, was)} -> {shown(key, now)}"
            yield new[0].change(section, "changed", "unsure", subject, what, place)


def _plain(config: msgspec.Struct) -> Any:
    """A configuration as mappings, lists and scalars."""
    return msgspec.to_builtins(config, enc_hook=str, str_keys=True)


def _at(data: Any, path: Path) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _written(value: Any, written: Any) -> Any:
    """A value with whatever refers to the environment put in as it is written."""
    if isinstance(written, str):
        if LINES.fullmatch(written) and isinstance(value, list):
            return f"{written}, {len(value)} lines, {hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:12]}"
        return written if "${env:" in written else value
    if isinstance(value, dict) and isinstance(written, dict):
        return {name: _written(item, written.get(name)) for name, item in value.items()}
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        return [_written(item, said) for item, said in zip(value, written, strict=True)]
    return value


def _differences(was: Any, now: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Pairs of values that differ, by path; of lists of scalars, the items that came and went."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in [*was, *(name for name in now if name not in was)]:
            yield from _differences(was.get(name, MISSING), now.get(name, MISSING), (*path, name))
    elif isinstance(was, list) and isinstance(now, list):
        yield from _list_differences(was, now, path)
    elif type(was) is not type(now) or was != now:
        yield path, was, now


def _list_differences(was: list[Any], now: list[Any], path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if any(isinstance(item, dict | list) for item in (*was, *now)):
        for index in range(max(len(was), len(now))):
            pair = [side[index] if index < len(side) else MISSING for side in (was, now)]
            yield from _differences(pair[0], pair[1], (*path, index))
        return
    came = [(index, item) for index, item in enumerate(now) if item not in was]
    went = [(index, item) for index, item in enumerate(was) if item not in now]
    yield from (((*path, index), item, MISSING) for index, item in went)
    yield from (((*path, index), MISSING, item) for index, item in came)
    if was != now and not came and not went:
        yield path, was, now


def _dotted(path: Path) -> str:
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name
