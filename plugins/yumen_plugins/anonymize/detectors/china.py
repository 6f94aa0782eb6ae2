"""Detectors of the pack `cn`, but for names and addresses."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.china_contact import CONTACT
from yumen_plugins.anonymize.detectors.china_documents import DOCUMENTS
from yumen_plugins.anonymize.detectors.china_vehicles import VEHICLES

CHINA: tuple[Detector, ...] = (*DOCUMENTS, *CONTACT, *VEHICLES)
