"""Detectors of names of people, without a model."""

from __future__ import annotations

from dataclasses import replace

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.chinese_names import CHINESE_NAME
from yumen_plugins.anonymize.detectors.english_names import ENGLISH_NAME

NAMES: tuple[Detector, ...] = tuple(replace(one, guessed=True) for one in (CHINESE_NAME, ENGLISH_NAME))
