"""Writes docs/no-bypass.md from the rows that the test proves: `python -m tests.e2e.bypass_page > docs/no-bypass.md`."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.bypass_channels import CACHED, CHANNELS
from tests.e2e.bypass_places import PLACES, ROLES

NOT_COVERED = """\
- **Media.** Images, sounds and files are refused (`unsupported_payload`) unless the policy says `on_unsupported: warn` or
  `skip`; what is in them is never read.
- **Token ids.** A prompt that the caller has tokenised himself cannot be read, and is refused in the same way. A reply's
  `logprobs` are looked at one token at a time, so a value that spans tokens is not seen there, and those of a stream are
  not looked at. Do not ask for them where that matters.
- **Undeclared names and numbers in a stream**: of members that nobody declared the events' texts are looked at, the names
  and numbers only in plain replies.
- **Numbers that are declared as numbers**: `seed`, `max_tokens`, the shape of a tensor, a vector. A telephone number that
  somebody puts into `seed` passes.
- **Numeric tensors.** Of the Open Inference Protocol only texts are read, and 64-bit integers in JSON. Binary tensors of
  numbers, and floats, pass as they are. A masked 64-bit integer becomes a string, which the engine will refuse.
- **Numbers below seven digits** (three as the value of an undeclared member), and values that no detector knows. See
  docs/detection-quality.md for what is found of what.
- **Other encodings** of text inside text, such as hexadecimal or a cipher. Percent-encoding and base64 are read where
  `spelling` says so.
- **One value in two places**: half a number in one message and half in the next is not put together.
- **Headers** are not sent on, nor is a query string.
"""


def page() -> str:
    """docs/no-bypass.md."""
    lines = [Path(__file__).with_name("bypass_page.md").read_text().rstrip(), "", "## What the caller sends", ""]
    lines += ["| endpoint | field | roles | plain | stream |", "|---|---|---|---|---|"]
    rows: dict[tuple[str, str, bool], list[str]] = {}
    for place in PLACES:
        rows.setdefault((place.endpoint, place.field, place.streams), []).append(place.role)
    for (endpoint, field, streams), roles in rows.items():
        named = "all" if tuple(roles) == ROLES else ", ".join(filter(None, roles))
        lines.append(f"| `{endpoint}` | {field} | {named} | ✓ | {'✓' if streams else ''} |")
    lines += [
        "",
        "## What the engine writes",
        "",
        "| endpoint | channel | plain | stream | from a cache |",
        "|---|---|---|---|---|",
    ]
    for channel in CHANNELS:
        stream = "" if channel.events is None else "✓"
        cached = "✓" if channel in CACHED else ""
        lines.append(f"| `{channel.endpoint}` | {channel.field} | ✓ | {stream} | {cached} |")
    return "\n".join([*lines, "", "## What is not covered", "", NOT_COVERED])


if __name__ == "__main__":
    print(page(), end="")
