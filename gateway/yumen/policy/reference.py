"""The reference page of policy files, made from the Structs that they are read into.

`python -m yumen.policy.reference > docs/policy-reference.md` writes it anew. It holds what this distribution brings, and
nothing of what happens to be installed beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from yumen import registry
from yumen.policy.cases import Case, TestFile
from yumen.policy.described import REF, Described, Schema
from yumen.policy.files import EngineFile, GatewayFile, PluginFile
from yumen.provenance import OWN

COMMAND = "python -m yumen.policy.reference > docs/policy-reference.md"
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
BAR = "\\|"
PLURAL = {"text": "texts", "mapping": "mappings", "list": "lists", "number": "numbers", "whole number": "whole numbers"}
HEAD = f"""# Policy reference

Every key of every policy file. This page is generated: `{COMMAND}` writes it anew.

In a key, `[]` stands for each item of a list and `*` for each name of a mapping. A key without a default must be written.
A text may come from the environment: `${{env:NAME}}`, or `${{env:NAME:-default}}` (not in test cases, and not in `adapter`,
`egress` and `when_env`). A key that stands nowhere here is refused. Of plugins and engines only the built-in ones are here;
`yumen policy schema NAME` prints the same of any that is installed, for editors: see [policy.md](policy.md).
"""


def page() -> str:
    """The page."""
    plugins = [registry.load_plugin(name) for name in _built_in("plugin")]
    engines = [registry.load_engine(name) for name in _built_in("engine")]
    parts = [
        HEAD,
        "## `gateway.yaml`\n",
        _table(GatewayFile, engines="see [engines](#engines)"),
        "## Engines\n\nEvery entry under `engines:` has these keys, and beside them those of its adapter.\n",
        _table(EngineFile),
        *(f"### Engine `{one.manifest.name}`\n\n{_table(one.config_type)}" for one in engines),
        "## Plugin files\n\nEvery file but `gateway.yaml` and `*.test.yaml`.\n",
        _table(PluginFile, config="see the plugin below", tests="list of [cases](#test-cases)"),
        *(f"### `config` of the plugin `{one.manifest.name}`\n\n{_table(one.config_type)}" for one in plugins),
        "## Test cases\n\nUnder `tests:` in a plugin's file, and in files `*.test.yaml`, which have these keys:\n",
        _table(TestFile, tests="list of cases"),
        "A case:\n",
        _table(Case),
    ]
    return "\n".join(parts)


def _built_in(kind: str) -> list[str]:
    return [one.name for one in registry.listings(kind) if one.distribution == OWN]


def _table(struct: type[msgspec.Struct], **elsewhere: str) -> str:
    """The keys of a Struct and of what is in it; `elsewhere` says where else some of its own are described."""
    known = Described(struct)
    rows = [*_Rows(known.defs, elsewhere).of(known.names[struct], "")]
    if not rows:
        return "No keys.\n"
    head = ["| key | type | default | bounds | what it is |", "|---|---|---|---|---|"]
    return "".join(f"{line}\n" for line in [*head, *rows])


class _Rows:
    def __init__(self, defs: dict[str, Schema], elsewhere: dict[str, str]) -> None:
        self._defs = defs
        self._elsewhere = elsewhere
        self._first: dict[str, str] = {}

    def of(self, name: str, prefix: str) -> Iterator[str]:
        """A line for each key of a definition, each followed by those of the keys below it."""
        struct = self._defs[name]
        for key, schema in struct["properties"].items():
            path = prefix + key
            below, step = self._below(schema)
            kind = self._elsewhere.get(path) or self._type(schema)
            if below and path not in self._elsewhere:
                first = self._first.setdefault(below, path)
                kind = kind if first == path else f"{kind}, as `{first}`"
            default = "" if key in struct["required"] else self._default(schema, bool(below))
            bounds = "; ".join(self._bounds(schema))
            yield _line(f"`{path}`", kind, default, bounds, self._description(schema))
            if below and path not in self._elsewhere and self._first[below] == path:
                yield from self.of(below, f"{path}{step}.")

    def _below(self, schema: Any) -> tuple[str, str]:
        """The definition that a key leads to, and the step that leads there; or nothing."""
        if not isinstance(schema, dict):
            return "", ""
        if "$ref" in schema:
            return str(schema["$ref"]).removeprefix(REF), ""
        steps = [(one, "") for one in schema.get("anyOf", ())]
        steps += [(schema.get("items"), "[]"), (schema.get("additionalProperties"), ".*")]
        for one, step in steps:
            name, more = self._below(one)
            if name:
                return name, step + more
        return "", ""

    def _type(self, schema: Schema) -> str:
        if "$ref" in schema:
            return "mapping"
        if "enum" in schema:
            return " or ".join(f"`{one}`" for one in schema["enum"])
        if "anyOf" in schema:
            return " or ".join(self._type(one) for one in schema["anyOf"] if one.get("type") != "null")
        kind = schema.get("type", "")
        if kind == "array":
            return f"list of {self._types(schema['items'])}" if schema.get("items") else "list"
        if kind == "object":
            values = schema.get("additionalProperties")
            return f"mapping of {self._types(values)}" if isinstance(values, dict) and values else "mapping"
        return WORDS.get(str(kind), "anything")

    def _types(self, schema: Schema) -> str:
        kind = self._type(schema)
        return PLURAL.get(kind, kind)

    def _default(self, schema: Schema, below: bool) -> str:
        default = schema.get("default")
        if default is None or (below and default):
            return "none" if default is None else "as below"
        return f"`{msgspec.json.encode(default).decode()}`"

    def _bounds(self, schema: Schema) -> Iterator[str]:
        for one in schema.get("anyOf", ()):
            yield from self._bounds(one)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                yield from (f"each: {one}" for one in self._bounds(schema[key]))
        for key, word in (("exclusiveMinimum", "more than"), ("exclusiveMaximum", "less than")):
            if key in schema:
                yield f"{word} {schema[key]}"
        yield from _range(schema.get("minimum"), schema.get("maximum"))
        for key, unit in (("Items", "item"), ("Properties", "name"), ("Length", "character")):
            yield from _range(schema.get(f"min{key}"), schema.get(f"max{key}"), unit)
        if "pattern" in schema:
            yield f"matches `{schema['pattern']}`"

    def _description(self, schema: Schema) -> str:
        name = self._below(schema)[0]
        return str(schema.get("description") or (self._defs[name].get("description", "") if name else ""))


def _range(low: Any, high: Any, unit: str = "") -> Iterator[str]:
    units = f" {unit}{'s' if (low if high is None else high) != 1 else ''}" if unit else ""
    if low is not None and high is not None:
        yield f"{low} to {high}{units}"
    elif low is not None:
        yield f"at least {low}{units}"
    elif high is not None:
        yield f"at most {high}{units}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
