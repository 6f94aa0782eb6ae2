"""Forms that records leave the ledger in, for other systems; docs/export.md says what stands where in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yumen_plugins.audit.formats import cef, jsonl, ocsf

# One record in, one line out, without its newline: an auditor can count lines against records.
LINES: Mapping[str, Callable[[dict[str, Any]], bytes]] = {"jsonl": jsonl.line, "cef": cef.line, "ocsf": ocsf.line}
# Parquet is written as a whole file, by `parquet.write_parquet`, and needs the extra of that name.
FORMATS = (*LINES, "parquet")
MEDIA: Mapping[str, str] = {
    "jsonl": "application/x-ndjson",
    "cef": "text/plain",
    "ocsf": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
