"""Tables and trees for eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

# What is read by another program has no edge to be cut at.
PIPE_COLUMNS = 240


def display(renderable: RenderableType) -> None:
    """Print to standard output with nothing left out: what is too long for the terminal goes on in the next line."""
    from rich.console import Console  # a server never prints, and need not load this
    from rich.table import Table

    if isinstance(renderable, Table):
        for column in renderable.columns:
            column.overflow = "fold"
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(renderable)
