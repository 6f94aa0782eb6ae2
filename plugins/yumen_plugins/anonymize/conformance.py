"""With what `yumen plugins check anonymize` tries it: docs/plugins/conformance.md."""

EXAMPLES = [
    {"texts": ["请回电13912345678，或写信给 wang@example.com。"]},
    {
        "config": {"action": {"default": "mask"}, "replies": {"default": "redact"}},
        "replies": ["Call 13912345678, 或写信给 wang@example.com。"],
    },
]
