"""What a rule does when it holds: `then: throttle(30s)`."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from yumen_plugins.anomaly.facts.windows import DURATION, seconds

Action = Literal["flag", "route", "require_masking", "throttle", "quarantine", "block"]
# From the mildest to the strictest: of several rules that hold, the strictest decides.
STRICTNESS: tuple[Action, ...] = ("flag", "route", "require_masking", "throttle", "quarantine", "block")
# What can still be done when the reply is known.
ON_REPLIES = frozenset(("flag", "quarantine", "block"))
ENGINE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
THEN = rf"^(flag|block|require_masking|throttle\({DURATION}\)|quarantine\({DURATION}\)|route\({ENGINE}\))$"
EXAMPLES = ["flag", "block", "throttle(30s)", "quarantine(10m)", "require_masking", "route(local)"]
FORM = re.compile(r"(?P<action>[a-z_]+)(?:\((?P<argument>.+)\))?")


class Then(msgspec.Struct, frozen=True):
    """An action; `seconds` of a throttle or quarantine, `engine` of a route."""

    action: Action
    seconds: int = 0
    engine: str = ""

    @property
    def strictness(self) -> int:
        """Higher for stricter."""
        return STRICTNESS.index(self.action)


def parse(text: str) -> Then:
    """What `then:` says. Error: ValueError where it has not the form `THEN`."""
    match = FORM.fullmatch(text)
    if match is None or not re.fullmatch(THEN, text):
        raise ValueError(f"`then` is one of: {', '.join(EXAMPLES)}")
    action, argument = match["action"], match["argument"]
    if action == "route":
        return Then("route", engine=argument)
    return msgspec.convert({"action": action, "seconds": seconds(argument) if argument else 0}, Then)
