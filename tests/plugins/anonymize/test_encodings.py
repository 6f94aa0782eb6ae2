"""Base64 that stands for text, and percent-encoded characters."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anonymize.encodings import BASE64_MAX, decoded, unescaped

INNER = "我的电话是13812345678，邮箱li.na@example.com"


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_base64_is_read_in_both_alphabets(encode: Callable[[bytes], bytes], padded: bool) -> None:
    """The whole run is reported, padding included, with the text that it stands for."""
    run = encode(INNER.encode()).decode()
    run = run if padded else run.rstrip("=")
    text = f"data: {run}, end"
    assert list(decoded(text)) == [(6, 6 + len(run), INNER)]


@pytest.mark.parametrize(("width", "newline"), [(64, "\n"), (76, "\r\n")])
def test_base64_in_lines_is_one(width: int, newline: str) -> None:
    """Lines of PEM and MIME belong together."""
    run = b64encode((INNER * 5).encode()).decode()
    lines = newline.join(run[at : at + width] for at in range(0, len(run), width))
    assert [inner for _, _, inner in decoded(f"<{lines}>")] == [INNER * 5]


@pytest.mark.parametrize(
    "text",
    [
        "internationalization and Antidisestablishmentarianism",
        "/usr/local/lib/python3/site-packages/yumen_plugins",
        "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709",
        b64encode(bytes(range(256))).decode(),
        b64encode(b"\x01\x02\x03\x04" * 20).decode(),
        b64encode(b"short").decode(),
        "A" * (BASE64_MAX + 4),
    ],
)
def test_what_stands_for_no_text_is_left_alone(text: str) -> None:
    """Words, paths, hashes, pictures and files are not Base64 of text."""
    assert list(decoded(text)) == []


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn")), min_size=16),
    st.sampled_from(["", " ", "：", '"']),
)
def test_any_text_comes_back(inner: str, edge: str) -> None:
    """Whatever printable text is encoded is found again, in its place."""
    run = b64encode(inner.encode()).decode()
    assert list(decoded(f"{edge}{run}{edge}")) == [(len(edge), len(edge) + len(run), inner)]


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_breaks_it(text: str) -> None:
    """Any text may be asked, lone surrogates included, and what is reported lies inside it."""
    for start, end, _ in decoded(text):
        assert 0 <= start < end <= len(text)


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc"))))
def test_every_character_has_one_escape(text: str) -> None:
    """All characters of UTF-8 are known by their percent-encoded form, and no two are mixed up."""
    escaped = "".join(f"%{byte:02X}" for byte in text.encode())
    assert "".join(char for _, _, char in unescaped(escaped)) == text
