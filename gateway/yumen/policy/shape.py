"""Checks plain data against a Struct and says everything that is wrong with it, each with its place.

`msgspec.convert` stops at the first error. A policy author wants all of them, so this walks the same type description
(`msgspec.inspect`); what it accepts, `convert` builds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as types

from yumen.errors import words_of
from yumen.policy.reader import Path, Source

StructT = TypeVar("StructT", bound=msgspec.Struct)
# Describing a type takes most of the time of compiling a bundle, and the types stay.
_described = lru_cache(512)(types.type_info)
NEAR_CHARS_MAX = 100
NAMES = {
    types.StrType: "text",
    types.IntType: "a whole number",
    types.FloatType: "a number",
    types.BoolType: "true or false",
    types.NoneType: "nothing",
    types.DictType: "a mapping",
    types.ListType: "a list",
    types.VarTupleType: "a list",
    types.SetType: "a list",
    types.FrozenSetType: "a list",
    types.StructType: "a mapping",
}


def build(source: Source, path: Path, data: Any, struct: type[StructT], who: str = "this gateway") -> StructT | None:
    """The Struct, or None where something is wrong, which `source.diagnostics` then says. `who` is whose Struct it is."""
    before = len(source.diagnostics)
    _check(source, path, {} if data is None else data, _described(struct))
    if len(source.diagnostics) > before:
        return None
    try:
        return msgspec.convert({} if data is None else data, struct)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        inner, what = _inner(words_of(error))
        source.wrong((*path, *inner), "policy.value", source.sentence(path, type(error)(what)), "correct it")
        return None
    except BaseException as error:  # what somebody else's Struct does to its own values
        what = f"{who} cannot read this: {source.sentence(path, error)}"
        source.wrong(path, "policy.value", what, "correct it, or use another release")
        return None


def _inner(message: str) -> tuple[Path, str]:
    """Where below the whole something is wrong, as msgspec says it at the end of its message, and the rest of that."""
    what, found, place = message.rpartition(" - at `$")
    if not found:
        return (), message
    steps = re.match(r"(?:\.\w+|\[\d+\])*", place)
    names = re.findall(r"\.(\w+)|\[(\d+)\]", steps[0] if steps else "")
    return tuple(name or int(index) for name, index in names), what


def _check(source: Source, path: Path, value: Any, info: types.Type) -> None:
    examples: list[Any] = []
    if isinstance(info, types.Metadata):
        examples = (info.extra_json_schema or {}).get("examples", [])
        info = info.type
    if isinstance(info, types.AnyType | types.RawType | types.CustomType) or source.full:
        return
    if isinstance(info, types.UnionType):
        _check_union(source, path, value, info)
    elif isinstance(info, types.LiteralType):
        if value not in info.values or isinstance(value, bool) != any(isinstance(v, bool) for v in info.values):
            choices = ", ".join(f"`{choice}`" for choice in info.values)
            source.wrong(
                path,
                "policy.choice",
                f"{source.shown(path, value)} is not one of the choices",
                f"write one of {choices}",
            )
    elif isinstance(info, types.StructType):
        _check_struct(source, path, value, info)
    elif not _fits(value, info):
        expected = NAMES.get(type(info), "something else")
        source.wrong(
            path, "policy.type", f"{source.shown(path, value)} stands where {expected} belongs", f"write {expected}"
        )
    elif isinstance(info, types.DictType):
        _check_length(source, path, value, info)
        for name, item in value.items():
            _check(source, (*path, name), name, info.key_type)
            _check(source, (*path, name), item, info.value_type)
    elif isinstance(info, types.ListType | types.VarTupleType | types.SetType | types.FrozenSetType):
        _check_length(source, path, value, info)
        for index, item in enumerate(value):
            _check(source, (*path, index), item, info.item_type)
    else:
        _check_bounds(source, path, value, info, examples)


def _fits(value: Any, info: types.Type) -> bool:
    if isinstance(info, types.BoolType):
        return isinstance(value, bool)
    if isinstance(info, types.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(info, types.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(info, types.StrType):
        return isinstance(value, str)
    if isinstance(info, types.DictType):
        return isinstance(value, dict)
    if isinstance(info, types.NoneType):
        return value is None
    if isinstance(info, types.ListType | types.VarTupleType | types.SetType | types.FrozenSetType):
        return isinstance(value, list)
    return True  # convert has the last word on rarer types


def _check_union(source: Source, path: Path, value: Any, info: types.UnionType) -> None:
    fitting = [one for one in info.types if _could_be(value, one)]
    if not fitting:
        expected = " or ".join(NAMES.get(type(one), "something else") for one in info.types)
        source.wrong(
            path, "policy.type", f"{source.shown(path, value)} stands where {expected} belongs", f"write {expected}"
        )
    elif len(fitting) == 1:
        _check(source, path, value, fitting[0])


def _could_be(value: Any, info: types.Type) -> bool:
    if isinstance(info, types.Metadata):
        info = info.type
    if isinstance(info, types.StructType):
        return isinstance(value, dict)
    if isinstance(info, types.LiteralType):
        return any(type(value) is type(choice) for choice in info.values)
    return _fits(value, info)


def _check_struct(source: Source, path: Path, value: Any, info: types.StructType) -> None:
    if not isinstance(value, dict):
        source.wrong(
            path,
            "policy.type",
            f"{source.shown(path, value)} stands where a mapping belongs",
            "write `key: value` lines",
        )
        return
    fields = {field.encode_name: field for field in info.fields}
    for name, item in value.items():
        if name in fields:
            _check(source, (*path, name), item, fields[name].type)
        elif info.forbid_unknown_fields and not source.full:
            unknown(source, (*path, name), name, list(fields))
    for name, field in fields.items():
        if field.required and name not in value:
            source.wrong(path, "policy.missing-key", f"the key `{name}` is missing", f"add `{name}:`")


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """What to do about a name that nobody knows: take the nearest one that somebody does, or what else is said."""
    near = difflib.get_close_matches(name[:NEAR_CHARS_MAX], list(known), 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else otherwise


def unknown(source: Source, path: Path, name: str, known: list[str]) -> None:
    """Note a key that nobody knows, with the nearest one that somebody does."""
    fix = nearest(name, known, f"known here: {', '.join(f'`{one}`' for one in sorted(known)) or 'no keys'}")
    source.wrong(path, "policy.unknown-key", f"nobody knows the key `{name[:60]}`", fix, key=True)


def _check_length(source: Source, path: Path, value: list[Any] | dict[str, Any], info: Any) -> None:
    if info.min_length is not None and len(value) < info.min_length:
        source.wrong(path, "policy.bounds", f"there are {len(value)} items", f"write at least {info.min_length}")
    if info.max_length is not None and len(value) > info.max_length:
        source.wrong(path, "policy.bounds", f"there are {len(value)} items", f"write at most {info.max_length}")


def _check_bounds(source: Source, path: Path, value: Any, info: Any, examples: list[Any]) -> None:
    if isinstance(info, types.IntType | types.FloatType):
        what = f"{source.shown(path, value)} is out of bounds"
        low = info.ge is not None and value < info.ge, info.gt is not None and value <= info.gt
        high = info.le is not None and value > info.le, info.lt is not None and value >= info.lt
        if any(low):
            fix = f"write at least {info.ge}" if low[0] else f"write more than {info.gt}"
            source.wrong(path, "policy.bounds", what, fix)
        if any(high):
            fix = f"write at most {info.le}" if high[0] else f"write less than {info.lt}"
            source.wrong(path, "policy.bounds", what, fix)
    elif isinstance(info, types.StrType):
        if info.min_length is not None and len(value) < info.min_length:
            source.wrong(path, "policy.bounds", "the text is too short", f"write at least {info.min_length} characters")
        if info.max_length is not None and len(value) > info.max_length:
            source.wrong(path, "policy.bounds", "the text is too long", f"write at most {info.max_length} characters")
        if info.pattern is not None and not re.search(info.pattern, value):
            like = " or ".join(f"`{example}`" for example in examples)
            fix = f"write it like {like}" if like else f"write what matches {info.pattern}"
            source.wrong(path, "policy.bounds", "the text has the wrong form", fix)
