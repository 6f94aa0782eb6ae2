"""With what `yumen plugins check anomaly` tries it: docs/plugins/conformance.md."""

EXAMPLES = [
    {
        "config": {
            "words": [{"category": "house", "words": ["forbidden", "违禁词"]}],
            "rules": [
                {"id": "long", "when": "request.chars > 2000", "then": "block"},
                {"id": "asked", "when": "words.house > 0", "then": "flag"},
                {"id": "said", "when": "reply.words.house > 0", "then": "block"},
            ],
        },
        "texts": ["Is this forbidden?", "这是违禁词吗？"],
        "replies": ["It is forbidden here.", "这里有违禁词。"],
    },
]
