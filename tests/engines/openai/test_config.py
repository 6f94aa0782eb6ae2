"""The schema, and what must never be shown of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.engines.openai.asking import KEY, host

from yumen import CannotStart
from yumen_engines.openai import OpenAI, OpenAIConfig
from yumen_engines.openai.config import origin, root


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/v1"),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/v1"),
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1"),
        ("http://127.0.0.1:9000/v1/", "http://127.0.0.1:9000/v1"),
        ("https://llm.example.com/openai", "https://llm.example.com/openai/v1"),
        ("https://open.example.cn/api/paas/v4", "https://open.example.cn/api/paas/v4"),
        ("https://example.com/v1beta/openai/", "https://example.com/v1beta/openai"),
        ("https://example.com/compatible-mode/v1", "https://example.com/compatible-mode/v1"),
        ("http://[::1]:9000", "http://[::1]:9000/v1"),
        ("https://example.com/vision", "https://example.com/vision/v1"),
    ],
)
def test_a_version_is_added_where_none_is_named(base_url: str, expected: str) -> None:
    """A URL with or without a version, with or without a slash at its end, leads to the same place."""
    assert root(base_url) == expected


@pytest.mark.parametrize(
    "base_url",
    ["", "127.0.0.1:9000", "ftp://x/v1", "http://", "http:///v1", "https://x:port", "https://x:99999", "http://x:0",
     "http://user:secret@x/v1", "http://x/v1?key=secret", "http://x/v1#part", "http://x/v 1", "http://例子/v1", "//x/v1"],
)  # fmt: skip
async def test_a_bad_url_cannot_start(base_url: str) -> None:
    """What is wrong with a URL is told at the start, without repeating a credential in it."""
    engine = OpenAI(OpenAIConfig(base_url=base_url))
    with pytest.raises(CannotStart, match="base_url") as caught:
        await engine.load(host())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "钥匙", "nul\x00"])
async def test_a_key_that_no_header_carries_cannot_start(key: str) -> None:
    """A key with a slip in it is told by its field's name, never by its value."""
    with pytest.raises(CannotStart, match="api_key") as caught:
        await OpenAI(OpenAIConfig(base_url="http://127.0.0.1:9000", api_key=key)).load(host())
    assert key not in str(caught.value)


async def test_a_bad_proxy_cannot_start() -> None:
    """A proxy that is no URL is told without the password that may stand in it."""
    with pytest.raises(CannotStart, match="proxy") as caught:
        await OpenAI(OpenAIConfig(base_url="http://127.0.0.1:9000", proxy="http://u:secret@:bad")).load(host())
    assert "secret" not in str(caught.value)


def test_no_credential_is_ever_shown() -> None:
    """Logs and tracebacks print reprs: neither key nor proxy nor a credential in the URL is in them."""
    config = OpenAIConfig(base_url="http://u:secret@h:9000/v1", api_key=KEY, proxy="http://u:secret@p:1", model="m")
    for shown in (repr(config), str(config), f"{config!r}", repr([config])):
        assert KEY not in shown
        assert "secret" not in shown
        assert "http://h:9000" in shown
    assert repr(OpenAIConfig(base_url="https://x:bad")) == "OpenAIConfig(base_url='', model='')"
    assert origin("nonsense") == ""


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"base_url": "http://x", "api_keys": "typo"},
        {"base_url": "http://x", "connect_timeout_ms": 0},
        {"base_url": "http://x", "retries": -1},
        {"base_url": "http://x", "retries": 6},
        {"base_url": "http://x", "connections_max": 0},
        {"base_url": "http://x", "reply_bytes_max": 0},
        {"base_url": 9000},
    ],
)
def test_a_wrong_config_is_refused(config: dict[str, Any]) -> None:
    """Unknown names and numbers out of range never pass for something else."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, OpenAIConfig)
