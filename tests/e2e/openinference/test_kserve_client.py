"""KServe's own client against a gateway that masks, where there is an environment that has it; see kserve_client.py."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from tests.e2e.openinference import kserve_client
from tests.serving import APP_KEY, Gateway

PYTHON = os.environ.get("YUMEN_KSERVE_PYTHON", "")


@pytest.mark.skipif(not PYTHON, reason="needs the package kserve in an environment of its own: make test-kserve")
def test_the_client_is_served(tensors: Gateway) -> None:
    """It gets its numbers and texts back in JSON and in binary, the model is given pseudonyms, and errors are sentences."""
    run = subprocess.run(
        [PYTHON, kserve_client.__file__, tensors.url, APP_KEY], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert (said["live"], said["ready"], said["model"], said["other"]) == (True, True, True, False)
    for binary in (True, False):
        assert said[f"sum {binary}"] == [3.0, -4.5, 0.0]
        assert said[f"text {binary}"] == kserve_client.TEXTS
        assert not any(kserve_client.PHONE in text.replace("·", "") for text in said[f"spelled {binary}"])
    assert "is of shape [-1, 3]" in said["error"]
