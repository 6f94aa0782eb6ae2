"""Requests of the Open Inference Protocol as clients write them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from yumen import DATATYPES, Datatype, Signature, Tensor, TensorSpec

FP32 = TensorSpec("x", "FP32", (-1, 2))
TEXT = TensorSpec("text", "BYTES", (-1, 1))
SIGNATURE = Signature((FP32, TEXT), (TensorSpec("y", "FP32", (-1, 2)), TensorSpec("b", "BF16", (-1,))), batch_max=8)


def tensor(
    name: str = "x", datatype: str = "FP32", shape: Any = (1, 2), data: Any = None, **more: Any
) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **({} if data is None else {"data": data}), **more}


def body(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}, ensure_ascii=False).encode()


def packed(array: Tensor, datatype: Datatype) -> bytes:
    """Binary data, as the protocol describes them."""
    if datatype == "BYTES":
        encoded = [text.encode() for text in array.ravel().tolist()]
        return b"".join(struct.pack("<I", len(one)) + one for one in encoded)
    return np.ascontiguousarray(array, DATATYPES[datatype].newbyteorder("<")).tobytes()


def binary(*tensors: tuple[dict[str, Any], bytes], **more: Any) -> tuple[bytes, int]:
    """A body with binary data, and how much of it is JSON."""
    described = [{**one, "parameters": {"binary_data_size": len(data)}} for one, data in tensors]
    head = body(*described, **more)
    return head + b"".join(data for _, data in tensors), len(head)
