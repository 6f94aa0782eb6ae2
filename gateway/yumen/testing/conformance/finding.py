"""Which plugin classes a word on the command line stands for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from yumen import importing, registry
from yumen.fitness import unfit
from yumen.plugin import Manifest, Plugin
from yumen.policy.load import load_bundle
from yumen.provenance import normalized
from yumen.registry import RegistryError
from yumen.testing.conformance.examples import Example, examples_of


def find(word: str) -> list[type[Plugin[Any]]]:
    """The plugin of this name, all plugins of the distribution of this name, or the class at `module:Class`.

    Error: `RegistryError` where there is none, or it cannot be loaded.
    """
    if ":" in word:
        return [_at(word)]
    if word in registry.names("plugin"):
        return [registry.load_plugin(word)]
    names = [one.name for one in registry.listings("plugin") if normalized(one.distribution) == normalized(word)]
    if not names:
        raise RegistryError(
            f"no plugin and no package with plugins is called `{word}`; write module:Class for what is not installed"
        )
    return [registry.load_plugin(name) for name in names]


def _at(word: str) -> type[Plugin[Any]]:
    module, _, name = word.partition(":")
    # As `python -m` has it: what is not installed lies where whoever writes it is.
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = getattr(importing.run(lambda: importlib.import_module(module), f"`{word}`"), name, None)
    except importing.ImportFailed as error:
        raise RegistryError(f"`{word}` {error}") from None
    finally:
        sys.path.remove(os.getcwd())
    named = getattr(getattr(found, "manifest", None), "name", "")
    if wrong := unfit(found, named, Plugin, Manifest):
        raise RegistryError(f"`{word}` {wrong}")
    plugin: type[Plugin[Any]] = found
    return plugin


def examples_in(bundle: str, plugin: type[Plugin[Any]]) -> Sequence[Example]:
    """What a bundle says to a plugin, each with the texts of the plugin's own examples.

    Errors: `PolicyError`; `RegistryError` where the bundle does not name the plugin.
    """
    instances = [one for one in load_bundle(bundle).instances.values() if one.plugin_class is plugin]
    if not instances:
        raise RegistryError(f"the bundle {bundle} does not name the plugin `{plugin.manifest.name}`")
    own = examples_of(plugin)
    texts = [text for one in own for text in one.texts]
    replies = [reply for one in own for reply in one.replies]
    return [Example(config=msgspec.to_builtins(one.config), texts=texts, replies=replies) for one in instances]
