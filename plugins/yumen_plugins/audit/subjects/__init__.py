"""Keys of subjects, under which texts in the ledger are sealed; erasing somebody destroys the key; see docs/ledger.md."""

from yumen_plugins.audit.subjects.erasing import Erasure
from yumen_plugins.audit.subjects.errors import DoesNotOpen, Erased, Held, KeyringUnavailable, SubjectsFull
from yumen_plugins.audit.subjects.holds import Hold
from yumen_plugins.audit.subjects.keyring import Keyring
from yumen_plugins.audit.subjects.sealing import SubjectKey

__all__ = [
    "DoesNotOpen",
    "Erased",
    "Erasure",
    "Held",
    "Hold",
    "Keyring",
    "KeyringUnavailable",
    "SubjectKey",
    "SubjectsFull",
]
