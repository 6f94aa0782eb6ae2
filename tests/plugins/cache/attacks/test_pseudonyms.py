"""Whoever is given a kept reply reads in it what he may know himself, whoever asked first, whatever an engine remembers."""

from __future__ import annotations

import json
import random
import re
from itertools import product
from pathlib import Path

import pytest
from tests.plugins.cache.attacks.kit import Live, Upstream, bundle, cached, live

PHONES = [f"138{number:08d}" for number in range(12345670, 12345676)]
RAW = re.compile("13812345[0-9]{3}")
TOKEN = re.compile(r"<CN_MOBILE_[0-9a-z]{10}>|(?<![0-9])1[0-9]{10}(?![0-9])|\[CN_MOBILE[^\]]*\]|138\*+|\*+[0-9]{4}")
ANONYMIZE = """
version: 1
plugin: anonymize
config:
  detect: [cn.mobile]
  action: {{default: {action}}}
  pseudonyms: {pseudonyms}
  vault: {{scope: {vault}}}
"""
TEXTS = ["我的电话是{phone}，谢谢", "call {phone}", "谢谢 thanks", "who else is there? {token}"]
WHO = [
    ("acme", "li", "s1"),
    ("acme", "li", "s2"),
    ("acme", "wang", "s1"),
    ("acme", "", "s1"),
    ("acme", "", ""),
    ("globex", "li", "s1"),
]


class Remembering(Upstream):
    """Says everything that ever stood for a number in anything it was asked, and some that it has made up."""

    def __init__(self) -> None:
        super().__init__(self._told)
        self.known: dict[str, None] = {"<CN_MOBILE_0123456789>": None}

    def _told(self, text: str) -> str:
        self.known.update(dict.fromkeys(TOKEN.findall(text)))
        return "I know " + " ".join(self.known)


async def told(gateway: Live, who: tuple[str, str, str], text: str, *, stream: bool) -> tuple[str, str]:
    tenant, subject, session = who
    headers = {"x-session-id": session} if session else {}
    got = await gateway.say(text, tenant=tenant, subject=subject, headers=headers, stream=stream)
    assert got.status == 200
    assert not got.streamed or got.body.endswith(b"data: [DONE]\n\n")
    return got.text, cached(got)


@pytest.mark.parametrize("vault", ["exchange", "session", "tenant"])
@pytest.mark.parametrize("pseudonyms", ["tenant", "session", "exchange"])
async def test_nobody_gets_the_value_of_another_one(tmp_path: Path, pseudonyms: str, vault: str) -> None:
    """Callers of one tenant, with an engine that repeats every pseudonym it has seen: each reads only numbers of his own."""
    anonymize = ANONYMIZE.format(action="pseudonym", pseudonyms=pseudonyms, vault=vault)
    folder = bundle(tmp_path / "b", anonymize=anonymize)
    draw = random.Random(f"{pseudonyms} {vault}")
    upstream = Remembering()
    states: list[str] = []
    sent: dict[tuple[str, ...], set[str]] = {}
    async with live(folder, upstream) as gateway:
        for _ in range(150):
            who = draw.choice(WHO)
            phone, token = draw.choice(PHONES), draw.choice([*upstream.known])
            text = draw.choice(TEXTS).format(phone=phone, token=token)
            # To whom the vault gives a value back that he has sent before.
            tenant, subject, session = who
            scope = (tenant, subject) if vault == "tenant" else (tenant, subject, session)
            mine = sent.setdefault(scope, set()) if vault == "tenant" or (vault == "session" and session) else set()
            mine |= set(RAW.findall(text))
            said, state = await told(gateway, who, text, stream=draw.random() < 0.5)
            states.append(state)
            assert set(RAW.findall(said)) <= mine, f"{who} read somebody else's number"
    assert not RAW.search(b"".join(upstream.bodies).decode())
    assert states.count("hit") > 10, "nothing was attacked"


@pytest.mark.parametrize("action", ["surrogate", "generalise", "redact", "mask", "hash"])
async def test_what_cannot_be_put_back_is_put_back_for_nobody(tmp_path: Path, action: str) -> None:
    """Where several values look alike to the engine, an equal request gets the same reply, and no value of anybody in it."""
    folder = bundle(tmp_path / "b", anonymize=ANONYMIZE.format(action=action, pseudonyms="tenant", vault="tenant"))
    upstream = Upstream(lambda text: f"you said {text}")
    async with live(folder, upstream) as gateway:
        for phone, stream in product(PHONES, (False, True)):
            for who in WHO:
                said, _ = await told(gateway, who, f"我的电话是{phone}，谢谢", stream=stream)
                assert not RAW.search(said)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_left_as_it_is_is_not_kept_in_replies(tmp_path: Path, stream: bool) -> None:
    """Where policy lets a value through, a reply that holds one is somebody's, and given to nobody else."""
    folder = bundle(tmp_path / "b", anonymize=ANONYMIZE.format(action="keep", pseudonyms="tenant", vault="tenant"))
    upstream = Remembering()
    upstream.known["13812345670"] = None
    async with live(folder, upstream) as gateway:
        states = [(await told(gateway, WHO[0], "谢谢 thanks", stream=stream))[1] for _ in range(3)]
    assert states == ["miss"] * 3
    assert upstream.calls == 3


async def test_a_pseudonym_that_is_written_out_opens_nothing(tmp_path: Path) -> None:
    """Who writes another one's pseudonym shares his entry, and reads the pseudonym; its owner reads his number."""
    folder = bundle(
        tmp_path / "b", anonymize=ANONYMIZE.format(action="pseudonym", pseudonyms="tenant", vault="session")
    )
    upstream = Upstream(lambda text: f"you said {text}")
    async with live(folder, upstream) as gateway:
        await told(gateway, WHO[0], "call 13812345670", stream=False)
        token = TOKEN.findall(json.loads(upstream.bodies[-1])["messages"][-1]["content"])[0]
        assert await told(gateway, WHO[2], f"call {token}", stream=False) == (f"you said call {token}", "hit")
        assert await told(gateway, WHO[2], f"call {token}", stream=True) == (f"you said call {token}", "hit")
        # What is asked first in this way is given to the owner as what it stands for.
        await told(gateway, WHO[2], f"phone {token}", stream=True)
        assert await told(gateway, WHO[0], "phone 13812345670", stream=False) == ("you said phone 13812345670", "hit")
