"""What a subject is called, and what people may write beside it."""

from __future__ import annotations

import re

# More than a key file lets a tenant be called: cases of a policy may call one as they like.
TENANT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
SUBJECT = re.compile(r"(?:[0-9a-f]{32})?")
WORDS_CHARS_MAX = 200
# A space that Chinese text is set with, and that Python does not call printable.
IDEOGRAPHIC_SPACE = "\u3000"


def check_subject(tenant: str, subject: str) -> None:
    """A tenant, and a subject of 32 hexadecimal digits or none. Error: ValueError, which does not quote them."""
    if TENANT.fullmatch(tenant) is None:
        raise ValueError("a tenant has 1 to 200 characters, and no control characters")
    # Somebody may have typed a name here instead of its digest.
    if SUBJECT.fullmatch(subject) is None:
        raise ValueError("a subject is the 32 hexadecimal digits of its digest, or empty; never the name itself")


def check_words(what: str, words: str) -> None:
    """Something that a terminal can show in one line. Error: ValueError."""
    if not words.strip() or len(words) > WORDS_CHARS_MAX or not words.replace(IDEOGRAPHIC_SPACE, "").isprintable():
        raise ValueError(f"{what} has 1 to {WORDS_CHARS_MAX} characters that can be printed, in one line")
