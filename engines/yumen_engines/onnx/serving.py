"""`/v1/embeddings`: reads the request as it came down the chain, and gives vectors the form that OpenAI's clients read.

Source of the format: OpenAI's published API reference, "Create embeddings". Texts only: tokens would have been cut by
another tokenizer than the model's. The vectors are whole: one can be cut to fewer `dimensions` only where the model was
trained for that.
"""

from __future__ import annotations

import base64
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from yumen import Native, RequestRefused
from yumen_engines.onnx.embedding import Vectors

PATH = "embeddings"
# As many as OpenAI takes.
INPUTS_MAX = 2048
# Numbers of one reply, by form: plain ones are longer, and decoded on their way up the chain; base64 is one string a vector.
NUMBERS_MAX = {"float": 1 << 16, "base64": 1 << 20}

Form = Literal["float", "base64"]

Input = Annotated[str, Meta(min_length=1)]


class Request(msgspec.Struct, frozen=True):
    """The members that count; others were inspected on the way down, and change nothing here."""

    input: Input | Annotated[list[Input], Meta(min_length=1, max_length=INPUTS_MAX)]
    encoding_format: Form | None = None
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, in their order."""
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def form(self) -> Form:
        """How the vectors are written."""
        return self.encoding_format or "float"


class Embedded(NamedTuple):
    """Vectors of some texts, in their order; of each the number of tokens that were read, and how many were cut off."""

    vectors: Vectors
    tokens: list[int]
    cut: list[int]


def read(path: str, body: bytes, size: int) -> Request:
    """A request to a model whose vectors have so many numbers. Error: `RequestRefused`."""
    if path != PATH:
        raise RequestRefused("The engine of this route makes embeddings only.", code="unsupported_payload")
    try:
        request = msgspec.json.decode(body, type=Request)
    except (msgspec.DecodeError, ValueError, RecursionError):
        what = f"`input` is not a text or 1 to {INPUTS_MAX} texts, none of them empty, or another member is wrong."
        raise RequestRefused(what, param="input") from None
    if request.dimensions is not None and request.dimensions != size:
        raise RequestRefused(
            "The model of this route makes vectors of one size: leave out `dimensions`.", param="dimensions"
        )
    texts_max = NUMBERS_MAX[request.form] // size
    if len(request.texts) > texts_max:
        raise RequestRefused(
            f"`input` has more than {texts_max} texts, as many as go into one reply as {request.form}.", param="input"
        )
    return request


def answer(request: Request, model: str, embedded: Embedded) -> Native:
    """The reply. Error: `RequestRefused` for a text longer than the model reads: its vector would stand for a part of it."""
    longest = max(embedded.cut)
    if longest:
        place = embedded.cut.index(longest)
        what = f"Text {place} of `input` has {longest} tokens more than the model of this route reads."
        raise RequestRefused(what, param="input")
    rows = [
        {"object": "embedding", "index": index, "embedding": _form(vector, request.form)}
        for index, vector in enumerate(embedded.vectors)
    ]
    total = sum(embedded.tokens)
    usage = {"prompt_tokens": total, "total_tokens": total}
    return Native(200, msgspec.json.encode({"object": "list", "data": rows, "model": model, "usage": usage}))


def _form(vector: Vectors, form: Form) -> list[float] | str:
    """Numbers as they are, or little-endian float32 in base64, which is what OpenAI's clients ask for by themselves."""
    if form == "base64":
        return base64.b64encode(vector.astype("<f4", copy=False).tobytes()).decode()
    numbers: list[float] = np.asarray(vector, np.float64).tolist()
    return numbers
