"""One of the two bundles of a comparison: compiled, and where everything in it stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from yumen.errors import PolicyError
from yumen.policy.bundle import Bundle, Instance, RulePolicy
from yumen.policy.folder import Folder, read_folder
from yumen.policy.inherit import GATEWAY
from yumen.policy.load import compile_folder
from yumen.policy.reader import Path, Place, Source

Section = Literal["flow", "routes", "engines", "instances", "rules", "limits", "configs"]
SECTIONS: tuple[Section, ...] = ("flow", "routes", "engines", "instances", "rules", "limits", "configs")
Kind = Literal["added", "removed", "changed"]
# `unsure` is what may be looser or tighter, and only whoever knows the plugin can say which.
Effect = Literal["loosened", "tightened", "unsure", "none"]
OPPOSITE: dict[Effect, Effect] = {"loosened": "tightened", "tightened": "loosened", "unsure": "unsure", "none": "none"}

# What a value is hidden under, should somebody have written a credential into a policy file.
SECRET_NAME = re.compile(r"(?i)key$|secret|password|passwd|credential|^token$|_token$|authorization")
SHOWN_CHARS_MAX = 80


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same in both bundles.

    `subject` is what it is about (`route chat`, `limits`, `anonymize:cn.mobile`), `what` a few words about it. `file` and
    `line` are its place in the new bundle, or in the old one where it was removed; `inherited` is the bundle below whose
    file that is, if it is not the compared bundle's own.
    """

    section: Section
    kind: Kind
    effect: Effect
    subject: str
    what: str
    file: str
    line: int
    inherited: str = ""


class Side:
    """A compiled bundle and its files as they were written."""

    def __init__(self, bundle: Bundle, folder: Folder) -> None:
        self.bundle = bundle
        self._folder = folder
        self._sources = folder.composed()
        self._by_file = {source.file: source for source in self._sources.values()}
        self.gateway = self._sources[GATEWAY]

    @classmethod
    def read(cls, name: str, env: Mapping[str, str]) -> Side:
        """A bundle by its folder or installed name. Error: `PolicyError` with everything that is wrong."""
        folder = read_folder(name)
        bundle, diagnostics = compile_folder(folder, {**os.environ, **env})
        if bundle is None:
            raise PolicyError(diagnostics)
        return cls(bundle, folder)

    def source(self, instance: Instance) -> Source:
        """The file of an instance."""
        return self._by_file[instance.file]

    def route_path(self, route: str, *below: str | int) -> Path:
        """Where a route stands in the gateway file."""
        index = next(index for index, one in enumerate(self.gateway.data["routes"]) if one["id"] == route)
        return ("routes", index, *below)

    def rule_place(self, instance: Instance, rule: RulePolicy, knob: str = "mode") -> Place:
        """Where policy says something about a rule: its switch, else its own section, else where it is asked for."""
        if rule.mode == "off" and (place := self._disabled_at(instance.name, rule.id)) is not None:
            return place
        source = self.source(instance)
        said = source.data.get("rules") or {}
        key = rule.id if rule.id in said else next((glob for glob in said if fnmatchcase(rule.id, glob)), None)
        if key is not None and (("rules", key, knob) in source.places or not rule.line):
            return source.place(("rules", key, knob))
        return Place(rule.file, rule.line) if rule.line else source.place(("plugin",))

    def _disabled_at(self, instance: str, rule: str) -> Place | None:
        for index, name in enumerate(self.gateway.data.get("disable") or ()):
            before, colon, glob = str(name).rpartition(":")
            if (not colon or before == instance) and fnmatchcase(rule, glob):
                return self.gateway.place(("disable", index))
        return None

    def inherited(self, file: str) -> str:
        """The name of the bundle below that a file belongs to; empty for the bundle's own."""
        folder = os.path.dirname(file)
        if folder == str(self._folder.path):
            return ""
        return next((base.path.resolve().name for base in self._folder.bases if str(base.path) == folder), "")

    def change(self, section: Section, kind: Kind, effect: Effect, subject: str, what: str, place: Place) -> Change:
        """A change whose place is in this bundle."""
        inherited = self.inherited(place.file)
        return Change(
            section=section, kind=kind, effect=effect, subject=subject, what=what, file=place.file, line=place.line,
            inherited=inherited,
        )  # fmt: skip


def shown(name: str | int, value: Any) -> str:
    """A value as people are shown it: short, and never a credential."""
    if isinstance(value, str):
        if SECRET_NAME.search(str(name)) and "${env:" not in value:
            return "(not shown)"
        text = value
    else:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 1]}…"


def covers(wider: tuple[str, ...], narrower: tuple[str, ...]) -> bool:
    """Whether every glob of the narrower list is taken by one of the wider; sound, not complete."""
    return all(any(one == glob or _takes(one, glob) for one in wider) for glob in narrower)


def _takes(wider: str, glob: str) -> bool:
    # A `*` of the wider glob takes any text, wildcards of the narrower one too; its `?` and `[…]` might not.
    plain = not set(glob) & set("*?[")
    return fnmatchcase(glob, wider) and (plain or not set(wider) & set("?["))


def reach(old: tuple[str, ...], new: tuple[str, ...]) -> Effect:
    """What becomes of what looks at something when its globs change: looking at less is looser."""
    less, more = covers(old, new), covers(new, old)
    if less and more:
        return "none"
    return "loosened" if less else "tightened" if more else "unsure"
