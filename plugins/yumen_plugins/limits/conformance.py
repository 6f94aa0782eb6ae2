"""With what `yumen plugins check limits` tries it: docs/plugins/conformance.md."""

EXAMPLES = [
    {"config": {"body_bytes": 2000, "requests_per_minute_tenant": 1000}, "texts": ["很长的文字 " * 200]},
    {"config": {"input_tokens": 30, "requests_per_minute": 0}, "texts": ["more than thirty tokens " * 8]},
]
