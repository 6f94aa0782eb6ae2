"""Whether a plugin can have a process of its own, where its policy file wants one for it."""

from __future__ import annotations

from typing import Any

from yumen.isolation import why_not
from yumen.plugin import Plugin
from yumen.policy.files import PluginFile
from yumen.policy.reader import Source


def check_isolation(source: Source, form: PluginFile, plugin_class: type[Plugin[Any]]) -> None:
    """Note what is wrong with `isolation` and `memory_mib`."""
    if form.isolation == "none":
        if "memory_mib" in source.data:
            what = "`memory_mib` is about a process of the plugin's own, and it has none"
            source.wrong(("memory_mib",), "policy.isolation", what, "add `isolation: process`, or remove it")
        return
    why = why_not(plugin_class)
    if why:
        what = f"`{form.plugin}` cannot have a process of its own: {why}"
        source.wrong(("isolation",), "policy.isolation", what, "remove `isolation`")
