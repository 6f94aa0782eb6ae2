"""JSON Schemas (2020-12) of policy files, so that editors complete and check them while they are written.

They are made from the Structs that files are read into, so they know what the reader knows: keys, types, choices, bounds,
defaults and descriptions, no list of which is kept here. What a schema refuses, `yumen policy check` refuses too, but for an
engine whose `when_env` is not set: `check` looks at its keys only where it is used. What a schema cannot know (whether a
name exists, whether raw text leaves), only `check` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from yumen import registry
from yumen.engine import Engine
from yumen.plugin import Plugin
from yumen.policy.cases import TestFile
from yumen.policy.described import Described, Schema, partial, reachable, with_environment
from yumen.policy.files import EngineFile, GatewayFile, PluginFile
from yumen.policy.inherit import GATEWAY as GATEWAY_FILE
from yumen.policy.inherit import TEST
from yumen.policy.pins import owners
from yumen.pool.config import ReplicaFile
from yumen.provenance import OWN
from yumen.tensors.engine import TensorEngine

GATEWAY = "gateway"
TESTS = "tests"
# What can stand in a file's name and in a reference.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Cases are taken as they are written, a reference to the environment in them is text.
AS_WRITTEN = ("tests",)

OwnerT = TypeVar("OwnerT")


class Named(NamedTuple):
    """What bundles name, as kind and name; and the distributions of which nothing may be imported (`yumen.policy.pins`)."""

    names: Collection[tuple[str, str]] = ()
    refused: Collection[str] = ()

    def why_not(self, kind: str, name: str) -> str:
        """Why a plugin or engine is not imported to describe it, or empty: it is built in, or named."""
        offering = owners(kind, name)
        who = f"{kind} `{name[:60]}` of {', '.join(sorted(offering))}"
        if OWN in offering:
            return ""
        if (kind, name) not in self.names:
            return f"{who}: no bundle that was looked at names it"
        return f"{who}: a bundle pins another release" if offering & set(self.refused) else ""


def installed_schemas(named: Named) -> tuple[dict[str, Schema], list[str]]:
    """The schema of every kind of file by name, and for each plugin and engine that was left out, the reason.

    Nothing is imported but what is built in and what is named.
    """
    plugins, left_out = _installed("plugin", registry.load_plugin, named)
    gateway, more = _gateway(named)
    out = {GATEWAY: gateway, TESTS: test_schema()}
    out |= {name: plugin_schema(name, owner) for name, owner in plugins.items()}
    return out, left_out + more


def installed_schema(name: str, named: Named) -> tuple[Schema, list[str]]:
    """One of them. A plugin that is asked for so is imported, and no other. Error: `RegistryError`."""
    if name == GATEWAY:
        return _gateway(named)
    if name == TESTS:
        return test_schema(), []
    owner = registry.load_plugin(name)
    if reason := _unfit("plugin", name, owner):
        raise registry.RegistryError(reason)
    return plugin_schema(name, owner), []


def _gateway(named: Named) -> tuple[Schema, list[str]]:
    engines, left_out = _installed("engine", registry.load_engine, named)
    others = [name for name in registry.names("engine") if NAME.fullmatch(name) and named.why_not("engine", name)]
    return gateway_schema(engines, others), left_out


def write(folder: Path, schemas: Mapping[str, Schema]) -> list[Path]:
    """Write each into a file of its own in a folder; the files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / file_name(name): schema for name, schema in sorted(schemas.items())}
    for path, schema in files.items():
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema)) + b"\n")
    return list(files)


def kind_of(file: str, data: Any) -> str:
    """The name of the schema that a policy file follows, by its own name and what it says.

    A file that says no `plugin:` changes the inherited file of its name.
    """
    if file == GATEWAY_FILE:
        return GATEWAY
    if file.endswith(TEST):
        return TESTS
    named = data.get("plugin") if isinstance(data, dict) else None
    return named if isinstance(named, str) else file.removesuffix(".yaml")


def file_name(name: str) -> str:
    """The name of a schema's file."""
    return f"{name}.schema.json"


def gateway_schema(engines: Mapping[str, type[Engine[Any]]], others: Collection[str] = ()) -> Schema:
    """The schema of `gateway.yaml` where these adapters are installed, and `others` of which the keys are not known."""
    known = Described(GatewayFile, EngineFile, ReplicaFile, *(engine.config_type for engine in engines.values()))
    form = known.defs[known.names[EngineFile]]
    root = with_environment(known.defs[known.names[GatewayFile]])
    defs = {name: with_environment(one) for name, one in known.defs.items()}
    choices = {"adapter": {**form["properties"]["adapter"], "enum": sorted({*engines, *others})}}
    engine = {"type": "object", "properties": choices, "required": form["required"], "allOf": []}
    for name, owner in engines.items():
        batched = issubclass(owner, TensorEngine)
        own = {**form, "properties": {key: one for key, one in form["properties"].items() if batched or key != "batch"}}
        defs[f"engine-{name}"] = _engine(own, defs[known.names[ReplicaFile]], defs[known.names[owner.config_type]])
        chosen = {"properties": {"adapter": {"const": name}}, "required": ["adapter"]}
        engine["allOf"].append({"if": chosen, "then": {"$ref": f"#/$defs/engine-{name}"}})
    root["properties"]["engines"]["additionalProperties"] = {"$ref": "#/$defs/any-engine"}
    # A bundle that extends another inherits what it does not say.
    root |= {"if": {"required": ["extends"]}, "else": {"required": root.pop("required")}}
    return _whole("gateway.yaml", root, {**defs, "any-engine": engine})


def plugin_schema(name: str, plugin: type[Plugin[Any]]) -> Schema:
    """The schema of this plugin's files."""
    known = Described(PluginFile, plugin.config_type)
    root = known.defs[known.names[PluginFile]]
    written = {key: one for key, one in root["properties"].items() if key in AS_WRITTEN}
    root = with_environment({**root, "properties": {**root["properties"], "plugin": _const(root, "plugin", name)}})
    root["properties"] |= written
    as_written = reachable(written, known.defs)
    defs = {key: one if key in as_written else with_environment(one) for key, one in known.defs.items()}
    config, needed = {"$ref": known.ref(plugin.config_type)}, bool(defs[known.names[plugin.config_type]]["required"])
    about = {key: one for key, one in root["properties"]["config"].items() if key == "description"}
    root["properties"]["config"] = about | _config(config, optional=not needed)
    # A file without `plugin:` changes one that is inherited, and says only what is to change.
    whole: Schema = {"required": [*root.pop("required"), *(["config"] if needed else [])]}
    changed: Schema = {}
    if partial(config, defs) != partial(config, defs, required=True):
        root["properties"]["config"] = about
        whole["properties"] = {"config": _config(config, optional=not needed)}
        changed["properties"] = {"config": _config(partial(config, defs), optional=True)}
    root |= {"if": {"required": ["plugin"]}, "then": whole, **({"else": changed} if changed else {})}
    root["description"] = known.defs[known.names[plugin.config_type]].get("description", root["description"])
    return _whole(f"A file of the plugin `{name}`", root, defs)


def test_schema() -> Schema:
    """The schema of `*.test.yaml`."""
    known = Described(TestFile)
    return _whole("*.test.yaml", known.defs[known.names[TestFile]], known.defs)


def _engine(form: Schema, replica: Schema, config: Schema) -> Schema:
    """An engine: its own keys beside those that every engine has."""
    own = {key: one for key, one in config["properties"].items() if key not in form["properties"]}
    needed = [key for key in config["required"] if key in own]
    # Replicas may each say what the engine itself does not.
    either = {"anyOf": [{"required": needed}, {"required": ["replicas"]}]} if needed else {}
    one = {**config, "properties": {**replica["properties"], **own}, "required": []}
    form["properties"]["replicas"] = {**form["properties"]["replicas"], "items": one}
    return {**config, "properties": {**form["properties"], **own}, "required": form["required"], **either}


def _const(root: Schema, key: str, value: str) -> Schema:
    about = {key: one for key, one in root["properties"][key].items() if key == "description"}
    return {**about, "const": value}


def _config(config: Schema, *, optional: bool) -> Schema:
    return {"anyOf": [config, {"type": "null"}]} if optional else config


def _whole(title: str, root: Schema, defs: Mapping[str, Schema]) -> Schema:
    """A document of its own, with the definitions that it needs."""
    out = {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "title": title}
    needed = reachable(out, defs)
    return {**out, "$defs": {name: one for name, one in defs.items() if name in needed}}


def _installed(
    kind: str, load: Callable[[str], type[OwnerT]], named: Named
) -> tuple[dict[str, type[OwnerT]], list[str]]:
    """What is installed of one kind and can be described, by name, and why the rest cannot."""
    found, left_out = {}, []
    for name in registry.names(kind):
        if why := named.why_not(kind, name):
            left_out.append(why)
            continue
        try:
            owner = load(name)
        except registry.RegistryError as error:
            left_out.append(str(error))
            continue
        if reason := _unfit(kind, name, owner):
            left_out.append(reason)
        else:
            found[name] = owner
    return found, left_out


def _unfit(kind: str, name: str, owner: Any) -> str:
    """Why a plugin or engine can have no schema, or empty."""
    if not NAME.fullmatch(name) or (kind == "plugin" and name in (GATEWAY, TESTS)):
        return f"{kind} `{name[:60]}` has a name that cannot be a schema's"
    try:
        Described(owner.config_type)
    except Exception as error:  # its types are somebody else's
        return f"the configuration of {kind} `{name}` cannot be described: {type(error).__name__}"
    return ""
