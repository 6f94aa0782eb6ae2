"""The engine behind a real gateway: the official client asks it, plain and streamed, through masking and the ledger."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, APIStatusError, OpenAI
from tests.serving import Gateway
from tests.tiny_decoder import FOLDER, corpus

pytestmark = pytest.mark.server

POLICY = f"""version: 1
engines:
  writer: {{adapter: generate, egress: local, model: "{FOLDER}", concurrent_max: 2, new_tokens_max: 900}}
routes:
  - id: writer
    match: {{paths: [/v1/chat/completions, /v1/completions]}}
    engine: writer
    chain: [audit, anonymize]
"""
PHONE = "13987650123"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one route, to the tiny decoder."""
    folder = tmp_path_factory.mktemp("writer")
    policy = folder / "policy"
    policy.mkdir()
    (policy / "gateway.yaml").write_text(POLICY)
    (policy / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    (policy / "anonymize.yaml").write_text("version: 1\nplugin: anonymize\nconfig: {detect: [cn.mobile, email]}\n")
    gateway = Gateway(folder, YUMEN_POLICIES=str(policy)).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def messages(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("question", ["Where is my order?", "我的订单在哪里？"])
def test_plain_and_streamed(client: OpenAI, question: str) -> None:
    """The client gets the same words both ways, with the reason why they end and what they took."""
    answer = corpus.ANSWERS[question]
    plain = client.chat.completions.create(model="tiny", messages=messages(question))
    assert (plain.choices[0].message.content, plain.choices[0].finish_reason) == (answer, "stop")
    chunks = list(
        client.chat.completions.create(
            model="tiny", messages=messages(question), stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == answer
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage == plain.usage


def test_completions(client: OpenAI) -> None:
    """A text is continued up to the stop string."""
    reply = client.completions.create(model="tiny", prompt="从前有一座", stop="，")
    assert (reply.choices[0].text, reply.choices[0].finish_reason) == ("城门", "stop")


def test_what_is_refused_says_why(client: OpenAI) -> None:
    """The caller is told which option the model does not take; a prompt that is too long is his error too."""
    with pytest.raises(APIStatusError) as refused:
        client.chat.completions.create(model="tiny", messages=messages("Hello"), presence_penalty=1)
    assert (refused.value.status_code, refused.value.param) == (422, "presence_penalty")
    with pytest.raises(APIStatusError) as refused:
        client.chat.completions.create(model="tiny", messages=messages("word " * 1100))
    assert refused.value.status_code == 400


def test_a_client_that_leaves_frees_its_place(client: OpenAI) -> None:
    """Endless answers whose clients have gone keep nobody from his own."""
    for _ in range(6):
        with client.chat.completions.create(model="tiny", messages=messages("Sing"), stream=True) as stream:
            next(iter(stream))
    plain = client.chat.completions.create(model="tiny", messages=messages("谢谢"), timeout=60)
    assert plain.choices[0].message.content == corpus.ANSWERS["谢谢"]


def children(gateway: Gateway) -> list[int]:
    """The processes of models below a gateway and its workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            number, command = int(path.parent.name), path.read_bytes()
            if (
                b"yumen_engines.generate.child" in command
                and str(FOLDER).encode() in command
                and below(number, gateway)
            ):
                found.append(number)
    return found


def below(number: int, gateway: Gateway) -> bool:
    assert gateway.process is not None
    while number > 1:
        if number == gateway.process.pid:
            return True
        number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_a_model_s_process_that_is_killed_comes_back(client: OpenAI, gateway: Gateway) -> None:
    """A client meets an error and no connection that hangs; the log says so, and the engine is well again by itself."""
    (before,) = children(gateway)
    with client.chat.completions.create(model="tiny", messages=messages("Sing"), stream=True) as stream:
        next(iter(stream))
        os.kill(before, signal.SIGKILL)
        with pytest.raises(APIError):
            list(stream)
    until = time.monotonic() + 60
    while gateway.get("/readyz")[0] != 200 and time.monotonic() < until:
        time.sleep(0.02)
    assert client.chat.completions.create(model="tiny", messages=messages("谢谢")).choices[0].finish_reason == "stop"
    (after,) = children(gateway)
    assert after != before
    assert "generate_process_ended" in gateway.log


def test_nothing_raw_is_written_down(client: OpenAI, gateway: Gateway) -> None:
    """What was masked stands in neither log nor ledger, and no text at all in the log."""
    client.chat.completions.create(model="tiny", messages=messages(f"Hello {PHONE}"), max_tokens=8)
    assert PHONE not in gateway.log
    assert PHONE.encode() not in gateway.ledger()
    assert corpus.ANSWERS["Hello"][:10] not in gateway.log
    assert json.loads(gateway.get("/readyz")[1])
