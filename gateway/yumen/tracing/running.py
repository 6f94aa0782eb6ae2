"""Whose stream filter runs now, for whoever looks from another thread.

The filters of a stream are called from a module that is compiled to machine code in one kind of installation, and then has
no frames to be found in; every other hook is called from one that has (see `yumen.tracing.stack`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yumen.step import Step


class Running:
    """`step` is the plugin whose filter has been called and has not returned. One event loop runs in a process."""

    __slots__ = ("step",)

    def __init__(self) -> None:
        self.step: Step | None = None


running = Running()
