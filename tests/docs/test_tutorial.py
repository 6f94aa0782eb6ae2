"""docs/policy-tutorial.md is followed as a policy author would: every command prints what stands below it.

`python -m tests.docs.test_tutorial` writes the output anew; look at what changed before you commit it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from tests.docs.pages import followed, plain, rewritten

PAGE = Path(__file__).parents[2] / "docs" / "policy-tutorial.md"


@pytest.mark.slow
@pytest.mark.server
def test_the_tutorial(tmp_path: Path) -> None:
    """Whoever follows the tutorial sees what it shows."""
    page = PAGE.read_text()
    commands = 0
    for step, output in followed(page, tmp_path):
        start, end = step.span
        assert plain(output) == plain(page[start:end]), f"$ {step.text}\nrun `python -m tests.docs.test_tutorial`"
        commands += 1
    assert commands >= 20


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(rewritten(PAGE.read_text(), Path(name)))
        print(f"wrote {PAGE}")
