"""Whether a class is what a plugin or engine has to be: said once, where it is loaded, and not at the first exchange."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from yumen import versions
from yumen.importing import reason
from yumen.overrides import wrong_override
from yumen.plugin import Plugin

# What stands below /admin already.
PAGES = frozenset({"openapi.json", "policy", "trace"})
# They stand in paths, in lists on a terminal, and in what every record says of the policy.
PAGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}")
# A plugin that has none of them would do nothing.
HOOKS = (
    "on_request",
    "on_send",
    "on_ask",
    "stream",
    "on_response",
    "on_complete",
    "on_operation",
    "on_erase",
    "inspect",
    "operate",
)


def unfit(owner: Any, name: str, base: type, manifest_type: type[msgspec.Struct]) -> str:
    """Why a class that an entry point `name` leads to is not what it has to be, or empty."""
    try:
        return _unfit(owner, name, base, manifest_type)
    except BaseException as error:  # a class, and the class of a class, are somebody else's code
        return f"cannot be looked at: {reason(error.with_traceback(None))}"


def _unfit(owner: Any, name: str, base: type, manifest_type: type[msgspec.Struct]) -> str:
    if not (isinstance(owner, type) and issubclass(owner, base)):
        return f"is not a subclass of {base.__name__}"
    # What is made anew each time may say something else the next time.
    manifest: Any = inspect.getattr_static(owner, "manifest", None)
    if not isinstance(manifest, manifest_type):
        return "has no manifest"
    api = versions.verdict(manifest.api)  # type: ignore[attr-defined]  # both manifests have a name, a version and an api
    if not api.taken:
        return f"{api.what}: {api.fix}"
    if wrong := _wrong_manifest(manifest, manifest_type):
        return f"has a manifest that does not hold: {wrong}"
    if manifest.name != name:  # type: ignore[attr-defined]  # as above
        return "calls itself otherwise in its manifest"
    if not VERSION.fullmatch(manifest.version):  # type: ignore[attr-defined]  # as above
        return "has no version in its manifest of at most 100 letters, digits and `.+!_-`"
    if base is Plugin and (wrong := _wrong_page(manifest.admin)):  # type: ignore[attr-defined]  # as above
        return wrong
    if wrong := wrong_override(owner, base):
        return wrong
    if base is Plugin and (wrong := _wrong_hooks(owner)):
        return wrong
    if wrong := _wrong_config(getattr(owner, "config_type", None)):
        return f"has a configuration that cannot be read: {wrong}"
    return ""


def _wrong_page(admin: str) -> str:
    if admin in PAGES:
        return f"asks for a page of operators that the gateway has itself: {', '.join(sorted(PAGES))}"
    if admin and not PAGE.fullmatch(admin):
        return "names a page of operators that is not at most 64 lower-case letters, digits, `_` and `-`"
    return ""


def _wrong_hooks(owner: type[Any]) -> str:
    """A class that would do nothing, or be passed by."""
    own = {hook for hook in HOOKS if getattr(owner, hook) is not getattr(Plugin, hook)}
    if not own:
        return "overrides no hook, so it would do nothing"
    if "stream" in own and "on_response" not in own:
        return "has `stream` and no `on_response`, so plain replies would pass it by unseen; override both"
    return ""


def _wrong_manifest(manifest: msgspec.Struct, manifest_type: type[msgspec.Struct]) -> str:
    """A Struct that is made in Python is not checked by that."""
    try:
        msgspec.convert(msgspec.to_builtins(manifest), manifest_type, strict=True)
    except Exception as error:  # what stands in it may be anything
        return reason(error.with_traceback(None))
    return ""


def _wrong_config(config_type: Any) -> str:
    """What msgspec cannot make a decoder or a schema of, no policy file can say."""
    if not (isinstance(config_type, type) and issubclass(config_type, msgspec.Struct)):
        return "it is not a msgspec Struct"
    try:
        msgspec.json.Decoder(config_type)
        msgspec.json.schema(config_type)
    except Exception as error:  # its types are somebody else's
        return reason(error.with_traceback(None))
    return ""
