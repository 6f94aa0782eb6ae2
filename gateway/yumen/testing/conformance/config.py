"""What a policy file may say to the plugin, and what becomes of what it may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from yumen.errors import CannotStart, PolicyError
from yumen.fitness import unfit
from yumen.plugin import Manifest, Plugin
from yumen.testing.conformance.subject import Subject
from yumen.testing.conformance.verdict import DoesNotApply, Fails, check, demand, none_of

# Of every type one value; most fit no field, and those that fit are at the edge.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 63, 1.5, -0.0, "", "x", "(", "猎鹰", "a" * 5000, [], [""], ["("], [None], {}, {"": ""},
    {"x": []}, [[]], [{}],
)  # fmt: skip
# What a value is seldom refused with on purpose.
STUMBLES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError)
WRONG_NAME = "no_such_field"


def schema_of(plugin: type[Plugin[Any]]) -> dict[str, Mapping[str, Any]]:
    """Every object of the configuration's JSON Schema, by name; an object has `properties`."""
    _, defs = msgspec.json.schema_components([plugin.config_type], ref_template="#/$defs/{name}")
    return {name: one for name, one in defs.items() if one.get("type") == "object" and "properties" in one}


def _tag(schema: Mapping[str, Any]) -> str:
    """The field by which an object is told from others, whose only value is its name, or empty."""
    alone = (name for name, field in schema["properties"].items() if set(field) == {"enum"} and len(field["enum"]) == 1)
    return next(alone, "")


def _described(field: Mapping[str, Any]) -> bool:
    """Whether a field is described, itself or in a choice of its forms."""
    return bool(field.get("description")) or any(_described(one) for one in field.get("anyOf", ()))


@check("manifest.form", "The class can be loaded as a plugin.", "Do what the message says; see docs/versions.md.")
async def manifest_form(subject: Subject) -> None:
    wrong = unfit(subject.plugin, subject.name, Plugin, Manifest)
    demand(not wrong, f"it {wrong}")


@check(
    "schema.description",
    "Every field of the configuration is described.",
    'Write `Annotated[int, msgspec.Meta(description="…")]`: editors, the reference and errors show it.',
)
async def schema_description(subject: Subject) -> None:
    objects = schema_of(subject.plugin)
    if not any(one["properties"] for one in objects.values()):
        raise DoesNotApply("there is nothing to configure")
    # What tells the members of a union apart has no place for a description.
    tags = {name: _tag(one) for name, one in objects.items()}
    bare = [
        f"{name}.{field}"
        for name, one in objects.items()
        for field, schema in one["properties"].items()
        if not _described(schema) and field != tags.get(name)
    ]
    none_of(bare, "no description")


@check(
    "schema.strict",
    "The configuration takes no field that it does not know, at any depth.",
    "Write `class …(msgspec.Struct, frozen=True, forbid_unknown_fields=True)`: a misspelt field would protect nothing.",
)
async def schema_strict(subject: Subject) -> None:
    loose = [name for name, one in schema_of(subject.plugin).items() if one.get("additionalProperties") is not False]
    none_of(loose, "unknown fields are taken by")


@check(
    "schema.wrong",
    "A wrong value in the configuration is refused as such, and is nothing that the plugin stumbles over.",
    "Say bounds in the type (`msgspec.Meta(ge=0)`), and raise ValueError from `__post_init__` or `__init__` for the rest.",
)
async def schema_wrong(subject: Subject) -> None:
    config_type = subject.plugin.config_type
    for config in (*_wrong_configs(subject), {WRONG_NAME: 1}):
        field = next(iter(config))
        try:
            made = msgspec.convert({**dict(_plain(subject)), **config}, config_type)
            plugin = subject.plugin(made)
            for saying in (plugin.rules, plugin.lint, plugin.engines):
                list(saying())
        except BaseException as error:  # a plugin may raise anything
            if isinstance(error, STUMBLES) or not isinstance(error, Exception):
                raise Fails(f"`{field}: {_shown(config[field])}` raises {type(error).__name__}") from None
            continue
        demand(field != WRONG_NAME, "a field that nobody knows is taken")


def _plain(subject: Subject) -> Mapping[str, Any]:
    """The first example's configuration as plain data."""
    config = subject.examples[0].config
    plain: Mapping[str, Any] = msgspec.to_builtins(config if isinstance(config, msgspec.Struct) else dict(config))
    return plain


def _wrong_configs(subject: Subject) -> Iterator[dict[str, Any]]:
    for field in msgspec.structs.fields(subject.plugin.config_type):
        yield from ({field.encode_name: value} for value in VALUES)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}…"


@check(
    "schema.default",
    "The plugin starts with each of its examples, or with nothing said where it has none, and says that it is ready.",
    "Give every field a default, or examples in the module `conformance` of your package: docs/plugins/conformance.md.",
)
async def schema_default(subject: Subject) -> None:
    for example in subject.examples:
        try:
            async with subject.harness(example) as harness:
                ready = await harness.plugin(subject.name).ready()
        except PolicyError as error:
            first = error.diagnostics[0]
            raise Fails(f"the configuration of its example is refused: {first.what}") from None
        except CannotStart as error:
            raise Fails(str(error)) from None
        demand(isinstance(ready, str), f"`ready` returns {type(ready).__name__}, not a sentence or an empty text")
        demand(not ready, "it says right after its start that it cannot work")
