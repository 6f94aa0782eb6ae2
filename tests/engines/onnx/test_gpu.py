"""What needs a GPU: that it computes, gives what the CPU gives, and that its copies are counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tests.engines.onnx import graphs
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.vectors import EMBEDDER, embedded, embedder

from yumen import Rows
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.providers import CUDA, TENSORRT
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.signature import signature
from yumen_engines.onnx.tensors import OnnxModel

AVAILABLE = onnxruntime.get_available_providers()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(CUDA not in AVAILABLE, reason="this ONNX Runtime is built without CUDA"),
]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
async def test_tensors_on_a_gpu_are_those_of_the_cpu(tmp_path: Path, device: str) -> None:
    """A strict engine starts where the device computes; batches of every size give what the matrix gives."""
    if device == "tensorrt" and TENSORRT not in AVAILABLE:
        pytest.skip("this ONNX Runtime is built without TensorRT")
    path = graphs.saved(tmp_path / "model.onnx", graphs.encoder())
    config = OnnxConfig(model=str(tmp_path), task="tensors", device=device, strict_provider=True)
    opened = await asyncio.to_thread(open_session, path, config)
    assert opened.device == "cuda:0"
    model = OnnxModel(opened, signature(opened.session, 32), 2, "m", "1")
    await asyncio.to_thread(model.prepare, 32, UnitHost(clock=RunningClock()))
    for rows in (1, 2, 3, 32):
        given = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        found = await model.run(Rows({"x": given}))
        assert found["y"] == pytest.approx(given @ graphs.matrix(), rel=1e-2, abs=1e-2)
    assert int(model.placement.detail["bytes_to_device"]) > 0
    await model.close()


async def test_vectors_on_a_gpu_are_those_of_the_cpu() -> None:
    """A model that reads text says the same wherever it computes."""
    texts = ["退货", "Where is my order?", "我的快递到哪了" * 10]
    async with embedder() as engine:
        wanted = await embedded(engine, *texts)
    async with loaded(EMBEDDER, task="embeddings", device="cuda", strict_provider=True) as engine:
        assert await embedded(engine, *texts) == pytest.approx(wanted, abs=1e-2)
        assert engine.placements()[0].device == "cuda:0"
