"""What a plugin is tried with: its own examples where its package brings some, and texts in Chinese and English for all."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from yumen.plugin import Plugin
from yumen.testing.harness import NOTHING

MODULE, NAME = "conformance", "EXAMPLES"
# Said in requests and replies, and looked for afterwards wherever they must not be. The last two look like personal data.
CANARIES = ("canary-7f3a91c2", "金丝雀乙丙丁", "13812345678", "li.na@example.com")
TEXTS = (
    "Tell me about Project Falcon, canary-7f3a91c2; my mail is li.na@example.com.",
    "请介绍一下猎鹰计划，金丝雀乙丙丁，我的电话是13812345678。",
)
REPLIES = ("Falcon flies at 9 o'clock, 猎鹰九点起飞。",)


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration, and what makes the plugin act under it.

    `texts` are requests, sent without and with `headers`, and `replies` what an engine answers. `repeatable`: the same
    exchange twice comes out the same way; say no of a plugin that draws lots. `faults`: the types of what its hooks raise
    where something outside that they need is not there, such as `ConnectError`. `plugin`: of which plugin, where the package
    has several.
    """

    config: Mapping[str, Any] = NOTHING
    texts: Sequence[str] = ()
    replies: Sequence[str] = ()
    headers: Mapping[str, str] = NOTHING
    repeatable: bool = True
    faults: Sequence[str] = ()
    plugin: str = ""


def examples_of(plugin: type[Plugin[Any]]) -> tuple[Example, ...]:
    """Those in `EXAMPLES` of the module `conformance` in the plugin's package; none where there is no such module.

    Each is an `Example`, or a mapping with the same fields, so that a package need not import anything for it.
    Errors: `msgspec.ValidationError` for anything else; whatever the module raises.
    """
    module = sys.modules[plugin.__module__]
    package = plugin.__module__ if hasattr(module, "__path__") else plugin.__module__.rpartition(".")[0]
    if not package or importlib.util.find_spec(f"{package}.{MODULE}") is None:
        return ()
    found = getattr(importlib.import_module(f"{package}.{MODULE}"), NAME, ())
    every = [one if isinstance(one, Example) else msgspec.convert(one, Example) for one in found]
    return tuple(one for one in every if one.plugin in ("", plugin.manifest.name))
