"""What a model has done, in the form of the protocol's statistics extension.

Source: the extension's description, `$model_stat`. Copying rows together and apart is part of `compute_infer` here, so that
`compute_input` and `compute_output` are 0; `count` of `queue` is of requests that ran, whether they went well or not.
"""

from __future__ import annotations

from typing import Any

from yumen.batching import BatchStatistics

NS = 1_000_000_000
NOTHING = {"count": 0, "ns": 0}


def model_stats(name: str, version: str, answered_at: float, statistics: BatchStatistics) -> dict[str, Any]:
    """One member of `model_stats`; `answered_at` in seconds since the epoch, 0 for never."""
    return {
        "name": name,
        "version": version,
        "last_inference": round(answered_at * 1000),
        "inference_count": statistics.rows,
        "execution_count": statistics.runs,
        "inference_stats": {
            "success": _duration(statistics.requests, statistics.answered_s),
            "fail": _duration(statistics.failures, statistics.failed_s),
            "queue": _duration(statistics.requests + statistics.failures, statistics.queue_s),
            "compute_input": NOTHING,
            "compute_infer": _duration(statistics.runs, statistics.compute_s),
            "compute_output": NOTHING,
        },
        "batch_stats": [
            {
                "batch_size": size,
                "compute_input": NOTHING,
                "compute_infer": _duration(one.runs, one.seconds),
                "compute_output": NOTHING,
            }
            for size, one in sorted(statistics.sizes.items())
        ],
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * NS)}
