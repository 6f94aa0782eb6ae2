"""Text for a terminal."""

from __future__ import annotations


def plain(text: str) -> str:
    """Text without anything that a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)
