"""What a policy may configure on the generate engine."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


def number(lowest: int, highest: int, description: str) -> msgspec.Meta:
    """A key that counts something."""
    return msgspec.Meta(ge=lowest, le=highest, description=description)


class GenerateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config:` of an engine whose adapter is `generate`."""

    model: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^/",
            max_length=4096,
            examples=["/srv/models/chat"],
            description="Absolute path of a folder that onnxruntime-genai loads: genai_config.json, tokenizer.json, …",
        ),
    ]
    device: Annotated[
        Literal["cpu", "cuda"],
        msgspec.Meta(description="Where the model runs; where it cannot, the engine refuses to start."),
    ] = "cpu"
    threads: Annotated[int, number(1, 256, "CPU threads of one step of the model.")] = 1
    context_max: Annotated[
        int, number(16, 1 << 20, "Tokens of prompt and answer together; the model's own limit if smaller.")
    ] = 4096
    new_tokens_max: Annotated[
        int,
        number(1, 1 << 20, "The longest answer in tokens, also where the request asks for a longer one or for none."),
    ] = 512
    concurrent_max: Annotated[
        int, number(1, 256, "Answers that are written at the same time, a token each in turn.")
    ] = 4
    queue_max: Annotated[int, number(0, 4096, "Answers that wait for their turn; more are told to come back.")] = 32
    tenant_max: Annotated[
        int, number(1, 4352, "Answers of one tenant, written and waiting; so it cannot fill the queue alone.")
    ] = 24
    step_timeout_ms: Annotated[
        int,
        number(
            1_000,
            3_600_000,
            "For a step of the model, such as reading a long prompt; a process that is silent longer is replaced.",
        ),
    ] = 300_000
