"""What KServe's own client says of a gateway, as JSON: `python kserve_client.py URL KEY` in an environment that has it.

It stands in an environment of its own, because it pins what others need otherwise: `make test-kserve` makes one and runs
the test, and `YUMEN_KSERVE_PYTHON` names the Python of another.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

PHONE = "13812345678"
TEXTS = [f"我的电话是{PHONE}，谢谢", f"call {PHONE}", ""]


async def ask(url: str, key: str) -> dict[str, Any]:
    """Ask for everything that the client can, with tensors in JSON and in binary."""
    import numpy as np
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig  # type: ignore[import-not-found]

    def key_header() -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:

        async def infer(model: str, output: str, values: Any, datatype: str, binary: bool) -> Any:
            names = ["x", "y"] if model == "adder" else ["text"]
            inputs = [InferInput(name, list(values.shape), datatype) for name in names]
            for one in inputs:
                one.set_data_from_numpy(values, binary_data=binary)
            request = InferRequest(model, inputs, request_id="7", parameters={"binary_data_output": binary})
            reply = await client.infer(url, request, model_name=model, headers=key_header())
            return {one.name: one for one in reply.outputs}[output].as_numpy().ravel().tolist()

        numbers = np.array([[1.5, -2.25, 0.0]], np.float32)
        texts = np.array([[text] for text in TEXTS], dtype=object)
        said: dict[str, Any] = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model": await client.is_model_ready(url, "adder", headers=key_header()),
            "other": await client.is_model_ready(url, "other", headers=key_header()),
        }
        for binary in (True, False):
            said[f"sum {binary}"] = await infer("adder", "sum", numbers, "FP32", binary)
            said[f"text {binary}"] = await infer("echo", "text", texts, "BYTES", binary)
            said[f"spelled {binary}"] = await infer("echo", "spelled", texts, "BYTES", binary)
        try:
            await infer("adder", "sum", numbers[:, :2], "FP32", True)
        except Exception as error:  # of a library that it brings along
            said["error"] = str(error)
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(*sys.argv[1:3])), default=lambda one: one.decode()))
