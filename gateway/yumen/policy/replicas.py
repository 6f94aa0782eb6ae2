"""Compiles the replicas of an engine: each is the engine's own configuration with what it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yumen import registry
from yumen.engine import Engine
from yumen.plugin import Plugin
from yumen.policy.bundle import ReplicaSpec
from yumen.policy.files import EngineFile
from yumen.policy.reader import Path, Source
from yumen.policy.shape import build
from yumen.pool.config import ReplicaFile


def compile_replicas(
    gateway: Source, path: Path, form: EngineFile, common: Mapping[str, Any], engine_class: type[Engine[Any]],
    env: Mapping[str, str],
) -> tuple[ReplicaSpec, ...]:  # fmt: skip
    """The replicas of the engine at `path`; `common` is what they share, as it is written.

    What is wrong is noted in `gateway`, and left out here.
    """
    replicas: list[ReplicaSpec] = []
    names: set[str] = set()
    for index, data in enumerate(form.replicas):
        place = (*path, "replicas", index)
        own = {key: value for key, value in data.items() if key in ReplicaFile.__struct_fields__}
        replica = build(gateway, place, own, ReplicaFile)
        rest = {**common, **{key: value for key, value in data.items() if key not in own}}
        config = compile_config(gateway, place, rest, engine_class, env)
        if replica is None or config is None:
            continue
        name = replica.name or str(index)
        if name in names:
            gateway.wrong(place, "policy.duplicate-replica", f"a replica `{name}` stands above", "rename one")
        names.add(name)
        replicas.append(ReplicaSpec(name=name, weight=replica.weight, config=config))
    return tuple(replicas)


def compile_config(
    gateway: Source, path: Path, data: dict[str, Any], engine_class: type[Engine[Any]], env: Mapping[str, str]
) -> Any:
    """The configuration of an adapter, or None where something is wrong with it, which is noted then."""
    who = registry.who("engine", engine_class.manifest.name)
    config = build(gateway, path, gateway.resolve(path, data, env), engine_class.config_type, who)
    return None if config is None or made(gateway, path, engine_class, config) is None else config


def made(source: Source, path: Path, owner: Any, config: Any) -> Any:
    """A plugin or engine of this configuration, or None where it refuses it."""
    try:
        return owner(config)
    except BaseException as error:  # a plugin's own check of its configuration
        who = registry.who("plugin" if issubclass(owner, Plugin) else "engine", owner.manifest.name)
        what = f"{who} refuses this: {source.sentence(path, error)}"
        source.wrong(path, "policy.config", what, "correct it")
        return None
