"""Tensors: their types, the models that take them, and how rows of many callers become batches."""

from yumen.tensors.models import Metadata, Models, ModelState, Placement, TensorModel
from yumen.tensors.types import DATATYPES, Datatype, Rows, Signature, Tensor, Tensors, TensorSpec

__all__ = [
    "DATATYPES",
    "Datatype",
    "Metadata",
    "ModelState",
    "Models",
    "Placement",
    "Rows",
    "Signature",
    "Tensor",
    "TensorModel",
    "TensorSpec",
    "Tensors",
]
