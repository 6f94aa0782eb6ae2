"""Detectors of API keys, tokens and other secrets.

Of two readings of one span the earlier detector's is taken: providers come before the general forms, and what only a name
gives away comes last.
"""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.assigned import ASSIGNED
from yumen_plugins.anonymize.detectors.secrets.chinese import CHINESE
from yumen_plugins.anonymize.detectors.secrets.clouds import CLOUDS
from yumen_plugins.anonymize.detectors.secrets.keys import KEYS
from yumen_plugins.anonymize.detectors.secrets.models import MODELS
from yumen_plugins.anonymize.detectors.secrets.platforms import PLATFORMS
from yumen_plugins.anonymize.detectors.secrets.services import SERVICES
from yumen_plugins.anonymize.detectors.secrets.web import WEB

SECRETS: tuple[Detector, ...] = (*KEYS, *MODELS, *CLOUDS, *CHINESE, *PLATFORMS, *SERVICES, *WEB, *ASSIGNED)
