"""What a policy may configure on the faq engine."""

from __future__ import annotations

from typing import Annotated

import msgspec

# What training chose for the shipped model; a test compares the two.
CONFIDENCE_MIN = 0.65


class FaqConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config:` of an engine whose adapter is `faq`."""

    confidence_min: Annotated[
        float,
        msgspec.Meta(description="Below this confidence the engine says that it does not know.", ge=0, le=1),
    ] = CONFIDENCE_MIN
    threads: Annotated[
        int, msgspec.Meta(description="CPU threads of ONNX Runtime; one question keeps one busy.", ge=1, le=64)
    ] = 1
    delta_chars: Annotated[
        int,
        msgspec.Meta(
            description="Longest piece of a streamed answer in code points; longer words are cut.", ge=1, le=200
        ),
    ] = 12
