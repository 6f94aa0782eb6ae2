"""How well detection works, measured on labelled texts: the shipped sets, their reader, the labels and the score.

`seen.jsonl` and `unseen.jsonl` are written by the project from templates; no value in them is anybody's. They share no
template and no name, and the detectors were written without a look at the second.
"""

from pathlib import Path

SHIPPED = tuple(Path(__file__).parent / f"{half}.jsonl" for half in ("seen", "unseen"))
