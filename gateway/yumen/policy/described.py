"""Structs as JSON Schema: what msgspec says of them, and what it leaves out."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

from yumen.policy.reader import ENV, LINES

Schema = dict[str, Any]
REF = "#/$defs/"
# No name of a Struct has a hyphen.
FROM_ENVIRONMENT = "environment-variable"
ENVIRONMENT = {
    "description": "A reference to an environment variable: `${env:NAME}` or `${env:NAME:-default}`.",
    "type": "string",
    "pattern": ENV.pattern,
}
FROM_LINES = "lines-of-a-file"
LINES_OF_FILE = {
    "description": "The lines of a file beside this one, without blank ones and those that begin with `#`.",
    "type": "string",
    "pattern": f"^{LINES.pattern}$",
}
# What says something about a value without narrowing it.
ANNOTATIONS = ("title", "description", "default", "examples", "deprecated")
NARROWING = ("pattern", "minLength", "maxLength", "format", "contentEncoding")
BELOW_ONE = ("items", "additionalProperties", "not", "if", "then", "else")
BELOW_LIST = ("anyOf", "oneOf", "allOf", "prefixItems")
BELOW_NAMES = ("properties", "$defs")


class Described:
    """Definitions of Structs and of all that they are made of.

    `defs` are the definitions by name, `names` the name of each Struct's. Error: `TypeError` for a type that JSON has no
    form for.
    """

    def __init__(self, *structs: type[msgspec.Struct]) -> None:
        found: dict[Any, types.StructType] = {}
        for info in types.multi_type_info(structs):
            _collect(info, found)
        refs, self.defs = msgspec.json.schema_components(
            list(found), schema_hook=lambda _: {}, ref_template=f"{REF}{{name}}"
        )
        self.defs[FROM_ENVIRONMENT] = ENVIRONMENT
        self.defs[FROM_LINES] = LINES_OF_FILE
        self.names = {struct: str(one["$ref"]).removeprefix(REF) for struct, one in zip(found, refs, strict=True)}
        for struct, info in found.items():
            _complete(self.defs[self.names[struct]], info)

    def ref(self, struct: type[msgspec.Struct]) -> str:
        """A reference to a Struct's definition."""
        return REF + self.names[struct]


def reachable(schema: Any, defs: Mapping[str, Schema]) -> set[str]:
    """The names of the definitions that a schema needs."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).removeprefix(REF)
            if name in defs and name not in found:
                found.add(name)
                waiting.append(defs[name])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def with_environment(schema: Schema) -> Schema:
    """The same where a text may come from the environment: a reference need not have the form that its value must have.

    What is no text never comes from there: a reference stands for text.
    """
    if schema in (ENVIRONMENT, LINES_OF_FILE):
        return schema
    out = _mapped(schema, with_environment)
    if "anyOf" in out:
        flat = [inner for one in out["anyOf"] for inner in (one["anyOf"] if one.keys() == {"anyOf"} else [one])]
        out["anyOf"] = [one for number, one in enumerate(flat) if one not in flat[:number]]
    if out.get("type") == "array" and out.get("items", {}).get("type", "string") == "string" and "anyOf" not in out:
        return _or(out, FROM_LINES)
    narrow = out.get("type") == "string" and any(key in out for key in NARROWING)
    if not narrow and not any(isinstance(one, str) for one in [*out.get("enum", ()), out.get("const")]):
        return out
    return _or(out, FROM_ENVIRONMENT)


def _or(schema: Schema, name: str) -> Schema:
    """A schema, or the definition of a name."""
    about = {key: one for key, one in schema.items() if key in ANNOTATIONS}
    value = {key: one for key, one in schema.items() if key not in ANNOTATIONS}
    return {**about, "anyOf": [value, {"$ref": REF + name}]}


def partial(schema: Schema, defs: Mapping[str, Schema], *, required: bool = False) -> Schema:
    """A mapping of which only some keys are written, and of the mappings in it; lists are written whole.

    With `required` they are all the same as before; either way their definitions are put in place of references.
    """

    def below(one: Schema, above: tuple[str, ...]) -> Schema:
        name = str(one.get("$ref", "")).removeprefix(REF)
        if name in above:
            return one
        if name in defs:
            return below({**defs[name], **{key: value for key, value in one.items() if key != "$ref"}}, (*above, name))
        kept = {key: value for key, value in one.items() if key != "required" or (required and value)}
        return kept if "items" in one else _mapped(kept, lambda inner: below(inner, above))

    return below(schema, ())


def _mapped(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy with every schema directly below changed."""
    out = copy.deepcopy(schema)
    for key, value in out.items():
        if key in BELOW_ONE and isinstance(value, dict):
            out[key] = change(value)
        elif key in BELOW_LIST:
            out[key] = [change(one) for one in value]
        elif key in BELOW_NAMES:
            out[key] = {name: change(one) for name, one in value.items()}
    return out


def _collect(info: Any, found: dict[Any, types.StructType]) -> None:
    """Every Struct that a type is made of."""
    if isinstance(info, types.StructType):
        if info.cls in found:
            return
        found[info.cls] = info
    for one in _parts(info):
        _collect(one, found)


def _parts(info: Any) -> Iterator[Any]:
    if not isinstance(info, types.Type | types.Field):
        return
    for name in info.__struct_fields__:
        value = getattr(info, name)
        yield from (one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, msgspec.Struct))


def _complete(schema: Schema, info: types.StructType) -> None:
    """Add the defaults that a function makes, and put descriptions where editors look for them."""
    if "description" in schema:
        # What a docstring says about errors is for who builds the Struct.
        about = " ".join(str(schema["description"]).split())
        schema["description"] = re.split(r" Errors?: ", about)[0]
    if info.tag_field is not None:
        schema["properties"][info.tag_field]["description"] = f"What tells this form from others: `{info.tag}`."
    for field in info.fields:
        one = schema["properties"][field.encode_name]
        if "default" not in one and field.default_factory is not msgspec.NODEFAULT:
            try:
                one["default"] = msgspec.to_builtins(field.default_factory())
            except Exception:  # noqa: S112  # it is somebody else's function, and a schema does without
                continue
        for inner in one.get("anyOf", ()):
            inner.pop("description", None)
        if about := _description(field.type):
            one["description"] = about


def _description(info: types.Type) -> str:
    """What is said about a value; msgspec forgets it where the value is a Struct or nothing."""
    if isinstance(info, types.Metadata):
        return str((info.extra_json_schema or {}).get("description", "")) or _description(info.type)
    if isinstance(info, types.UnionType):
        return next(filter(None, map(_description, info.types)), "")
    return ""
