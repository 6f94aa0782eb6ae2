"""What may be done for one request: what its dialect, its options and its caller say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from yumen import Exchange, Text
from yumen_plugins.cache.config import CacheConfig

PROMPT, SPOKEN = "prompt", ("messages[", "prompt[")


class Asked(NamedTuple):
    """`bypass` says why nothing is done, or is empty; `reads`, whether a kept reply may be given, of at most `max_age_s`."""

    bypass: str = ""
    reads: bool = True
    max_age_s: float | None = None


def asked(config: CacheConfig, exchange: Exchange) -> Asked:
    """Read a request."""
    callers, control = config.callers, exchange.cache_control
    if callers.no_store and "no-store" in control:
        return Asked("no-store")
    if exchange.dialect not in config.dialects:
        return Asked("dialect")
    unsafe = _unsafe(config, exchange)
    if unsafe:
        return Asked(unsafe)
    age = control.get("max-age") if callers.max_age else None
    return Asked(reads=not (callers.no_cache and "no-cache" in control), max_age_s=None if age is None else float(age))


def _unsafe(config: CacheConfig, exchange: Exchange) -> str:
    """Why a request is unsafe by policy, or empty."""
    options, unsafe = exchange.options, config.unsafe
    temperature = _number(options, "temperature")
    if unsafe.without_temperature if temperature is None else temperature > unsafe.temperature_above:
        return "unsafe-temperature"
    # The web is searched where that is asked for without any options, too.
    if unsafe.tools and (options.get("tools") or options.get("functions") or "web_search_options" in options):
        return "unsafe-tools"
    if unsafe.seed and "seed" in options:
        return "unsafe-seed"
    choices = max(_number(options, "n") or 1, _number(options, "best_of") or 1)
    return "unsafe-choices" if choices > unsafe.choices_above else ""


def _number(options: Mapping[str, float], name: str) -> float | None:
    """A number of a request; infinite where something else stands there, which an engine may read as any number."""
    value = options.get(name)
    return math.inf if isinstance(value, bool) else value


def question_of(exchange: Exchange, chars_max: int) -> Text | None:
    """The last message, where a user asks in it and it is one text; None elsewhere."""
    spoken = [text for text in exchange.texts if text.path.startswith(SPOKEN) or text.path == PROMPT]
    if not spoken or not 0 < len(spoken[-1].value) <= chars_max:
        return None
    last = spoken[-1]
    if last.path == PROMPT:
        return last
    message, _, place = last.path.partition("].")
    alone = sum(text.path.startswith(f"{message}].") for text in spoken) == 1
    asks = last.role == "user" and place in ("content", "content[0].text")
    return last if alone and asks else None
