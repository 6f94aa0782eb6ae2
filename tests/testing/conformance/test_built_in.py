"""The built-in plugins, and the example of one from outside, are held to what everybody's are."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.lengths import times

from yumen import registry
from yumen.testing.conformance import conformance

STARTS = times(10, 100)
OUTSIDE = Path(__file__).parents[2] / "third_party" / "yumen-house-words" / "src"

test_limits = conformance(registry.load_plugin("limits"), starts=STARTS)
test_cache = conformance(registry.load_plugin("cache"), starts=STARTS)
test_anonymize = conformance(registry.load_plugin("anonymize"), starts=STARTS)
test_anomaly = conformance(registry.load_plugin("anomaly"), starts=STARTS)
test_audit = conformance(registry.load_plugin("audit"), starts=STARTS)

sys.path.insert(0, str(OUTSIDE))
try:
    house_words = importlib.import_module("house_words")
    importlib.import_module("house_words.conformance")
finally:
    sys.path.remove(str(OUTSIDE))
test_house_words = conformance(house_words.HouseWords, starts=STARTS)
