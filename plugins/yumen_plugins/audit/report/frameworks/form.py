"""What a framework is: its controls, and for each control which evidence of the ledger bears on it."""

from __future__ import annotations

import msgspec

# The longest that so many calendar months can be.
DAYS_OF_MONTHS = {6: 184, 12: 366, 36: 1_096, 72: 2_192}


class Rules(msgspec.Struct, frozen=True, tag=True):
    """What rules did: those whose id fits one of the patterns, those that noticed something of one of the categories, and
    those that the policy says serve this control.
    """

    patterns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class Operations(msgspec.Struct, frozen=True, tag=True):
    """Operations whose name fits one of the patterns. `what` says what they are, as in "erasures"."""

    what: str
    patterns: tuple[str, ...]


class Outcomes(msgspec.Struct, frozen=True, tag=True):
    """Exchanges that ended so. `what` says what that means."""

    what: str
    names: tuple[str, ...]


class Kept(msgspec.Struct, frozen=True, tag=True):
    """For how long records of exchanges are kept; at least so many calendar months, or 0 where the law names no time."""

    months: int


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """Exchanges and operations were recorded, and how many."""


class Intact(msgspec.Struct, frozen=True, tag=True):
    """The ledger holds: nothing was changed, and nothing is missing."""


class Sent(msgspec.Struct, frozen=True, tag=True):
    """What engines got, on this machine and elsewhere: masked or raw."""


class Words(msgspec.Struct, frozen=True, tag=True):
    """In which form the ledger keeps what people and engines wrote."""


class Versions(msgspec.Struct, frozen=True, tag=True):
    """Under which versions of the policy exchanges ran."""


Evidence = Rules | Operations | Outcomes | Kept | Recorded | Intact | Sent | Words | Versions


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a framework asks for.

    `cites` are beginnings of what rules of a policy cite for it, as in `PIPL Art. 51(3)`. `asks` is a summary of ours.
    `official` is the wording or the name in the law's own language, where we give one. `notes` say what Yumen does not show.
    `confirm` marks a citation that no bundle of ours makes, so that nobody has reviewed it together with its rules.
    """

    id: str
    title: str
    asks: str
    evidence: tuple[Evidence, ...] = ()
    cites: tuple[str, ...] = ()
    official: str = ""
    notes: tuple[str, ...] = ()
    confirm: bool = False


class Framework(msgspec.Struct, frozen=True, kw_only=True):
    """A law or standard. `language` is that of its official names (BCP 47), `edition` what was read."""

    id: str
    name: str
    edition: str
    controls: tuple[Control, ...]
    official: str = ""
    language: str = "en"
