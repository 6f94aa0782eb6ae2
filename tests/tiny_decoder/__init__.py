"""A decoder small enough to be committed and real enough to be run: built by `build.py`, loaded from `FOLDER`."""

from pathlib import Path

FOLDER = Path(__file__).parent / "model"
