"""The catalogue of detectors, by pack; a new detector is one entry in one of these files."""

from __future__ import annotations

from fnmatch import fnmatchcase

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.china import CHINA
from yumen_plugins.anonymize.detectors.finance import FINANCE
from yumen_plugins.anonymize.detectors.net import NET

# The order decides between two equally good readings of one span.
CATALOGUE: tuple[Detector, ...] = (*CHINA, *FINANCE, *NET)


def select(globs: list[str]) -> tuple[Detector, ...]:
    """The detectors that any of the globs names. Error: ValueError for a glob that names none."""
    for glob in globs:
        if not any(fnmatchcase(detector.id, glob) for detector in CATALOGUE):
            known = ", ".join(detector.id for detector in CATALOGUE)
            raise ValueError(f"no detector is called `{glob}`; known are {known}")
    return tuple(one for one in CATALOGUE if any(fnmatchcase(one.id, glob) for glob in globs))
