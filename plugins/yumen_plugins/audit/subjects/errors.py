"""What goes wrong with keys of subjects. No message holds a key, a text or the words of an operator."""

from __future__ import annotations


class KeyringUnavailable(Exception):
    """The keys cannot be read or written now, or what stands there cannot be trusted. Nothing may be recorded then."""


class SubjectsFull(Exception):
    """A tenant has as many subjects as it may have; a new one gets no key, so its exchanges may not be recorded."""


class Erased(Exception):
    """This key was destroyed. What it sealed stays sealed; for something new ask for the subject's key again."""


class DoesNotOpen(Exception):
    """These bytes were not sealed by this key, or not for this place, or they were changed since."""


class Held(Exception):
    """A legal hold forbids to erase. `hold_id` is the one that was met first."""

    def __init__(self, hold_id: str) -> None:
        self.hold_id = hold_id
        super().__init__(f"hold {hold_id} forbids to erase this; release it first")
