"""Detectors of addresses, without a model."""

from __future__ import annotations

from dataclasses import replace

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.chinese_addresses import CHINESE_ADDRESS
from yumen_plugins.anonymize.detectors.english_addresses import ENGLISH_ADDRESS

PLACES: tuple[Detector, ...] = tuple(replace(one, guessed=True) for one in (CHINESE_ADDRESS, ENGLISH_ADDRESS))
