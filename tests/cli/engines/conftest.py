"""A bundle with engines that really run small models."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines.onnx.graphs import adder, saved

GATEWAY = """
version: 1
engines:
  numbers: {adapter: onnx, egress: local, task: tensors, model: "%(adder)s"}
  twins: {adapter: onnx, egress: local, task: tensors, model: "%(adder)s", replicas: [{name: left}, {name: right}]}
  faq: {adapter: faq, egress: local}
  gone: {adapter: onnx, egress: local, task: tensors, model: "%(gone)s"}
routes:
  - {id: numbers, match: {paths: ["/v2/models/numbers/*"]}, engine: numbers, chain: [audit]}
  - {id: twins, match: {paths: ["/v2/models/twins/*"]}, engine: twins, chain: [audit]}
  - {id: gone, match: {paths: ["/v2/models/gone/*"]}, engine: gone, chain: [audit]}
  - {id: faq, match: {paths: ["/v1/*"]}, engine: faq, chain: [audit]}
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder; its engine `gone` names a model that is not there."""
    root = tmp_path_factory.mktemp("引擎")
    folder = root / "policies"
    folder.mkdir()
    names = {"adder": saved(root / "adder.onnx", adder()), "gone": root / "gone.onnx"}
    (folder / "gateway.yaml").write_text(GATEWAY % names)
    (folder / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    return folder
