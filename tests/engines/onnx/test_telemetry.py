"""ONNX Runtime reports its use to its maker unless it is told not to before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).parents[3] / "engines/yumen_engines/faq/model.onnx"
RUN = f"""
import yumen, onnxruntime, time
onnxruntime.InferenceSession({str(MODEL)!r}, providers=["CPUExecutionProvider"])
time.sleep(1)
"""


def test_it_reports_nothing(tmp_path: Path) -> None:
    """A process that has imported `yumen` loads a model, and ONNX Runtime leaves no trace of a report in its home."""
    env = {**os.environ, "HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    env.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", RUN], env=env, check=True, timeout=60)
    assert [str(path) for path in tmp_path.rglob("*") if "Microsoft" in str(path) or "onnxruntime" in str(path)] == []
