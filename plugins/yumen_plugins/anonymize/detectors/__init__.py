"""The catalogue of detectors, by pack; a new detector is one entry in one of these files."""

from __future__ import annotations

import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.china import CHINA
from yumen_plugins.anonymize.detectors.europe import EUROPE
from yumen_plugins.anonymize.detectors.finance import FINANCE
from yumen_plugins.anonymize.detectors.names import NAMES
from yumen_plugins.anonymize.detectors.net import NET
from yumen_plugins.anonymize.detectors.people import PEOPLE
from yumen_plugins.anonymize.detectors.phones import PHONES
from yumen_plugins.anonymize.detectors.places import PLACES
from yumen_plugins.anonymize.detectors.secrets import SECRETS
from yumen_plugins.anonymize.detectors.usa import USA

# The order decides between two equally good readings of one span.
CATALOGUE: tuple[Detector, ...] = (
    *SECRETS, *CHINA, *FINANCE, *NET, *USA, *EUROPE, *PHONES, *PEOPLE, *NAMES, *PLACES
)  # fmt: skip
# What was there before the packs keeps its name and belongs to one all the same: `net.*` names `email` as well.
PACKED = {"email": "net.email", "ip": "net.ip", "bank_card": "finance.bank_card", "phone": "net.phone"}
# What makes more than a name of a glob.
WILD = re.compile(r"[*?[]")
# Of how many globs, those of policies, what they name is remembered.
GLOBS_MAX = 1024


def names(rule: str, glob: str) -> bool:
    """Whether an id or glob of a policy names a detector, by its id or by its name in its pack."""
    if _plain(glob):
        return glob in (rule, PACKED.get(rule))
    return fnmatchcase(rule, glob) or (rule in PACKED and fnmatchcase(PACKED[rule], glob))


def select(globs: list[str]) -> tuple[Detector, ...]:
    """The detectors that any of the globs names. Error: ValueError for one that names none, with the nearest name."""
    chosen: set[str] = set()
    for glob in globs:
        named = _named(glob)
        if not named:
            packs = dict.fromkeys(f"{one.id.partition('.')[0]}.*" for one in CATALOGUE if "." in one.id)
            known = [*(one.id for one in CATALOGUE), *PACKED.values(), *packs]
            near = get_close_matches(glob[:100], known, 1, 0.6)
            otherwise = f"the nearest is `{near[0]}`" if near else "docs/detectors.md lists all"
            raise ValueError(f"no detector is called `{glob}`; {otherwise}")
        chosen |= named
    return tuple(one for one in CATALOGUE if one.id in chosen)


@lru_cache(GLOBS_MAX)
def _plain(glob: str) -> bool:
    """Whether it can name by equality only. A bundle asks of hundreds of them, whether each names hundreds of detectors."""
    return not WILD.search(glob)


@lru_cache(GLOBS_MAX)
def _named(glob: str) -> frozenset[str]:
    """The ids of the detectors that a glob names."""
    return frozenset(one.id for one in CATALOGUE if names(one.id, glob))
