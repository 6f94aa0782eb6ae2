"""What an `anonymize` policy file may say."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from yumen_plugins.anonymize.detectors import select

Action = Literal["pseudonym", "redact", "mask", "hash"]


class AnonymizeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for and what to do with it."""

    detect: Annotated[list[str], msgspec.Meta(description="Ids of detectors, or globs of them.", min_length=1)] = (
        msgspec.field(default_factory=lambda: ["*"])
    )
    action: Annotated[
        dict[str, Action],
        msgspec.Meta(description="What to do, by detector id or glob; `default` (pseudonym) is for all others."),
    ] = msgspec.field(default_factory=dict)
    mask_keep_last: Annotated[
        int, msgspec.Meta(ge=0, le=8, description="Characters that the action `mask` leaves readable.")
    ] = 4

    def __post_init__(self) -> None:
        """Error: ValueError for an id or glob that names no detector: a misspelt one would protect nothing."""
        select([*self.detect, *(glob for glob in self.action if glob != "default")])
