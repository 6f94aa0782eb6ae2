"""NVIDIA's own client against a gateway that masks: tensors in JSON and in binary, models, and their repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16
from tests.serving import ADMIN_KEY, APP_KEY, Gateway
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.http.aio import InferenceServerClient as AwaitedClient
from tritonclient.utils import InferenceServerException

PHONE, ADDRESS = "13812345678", "wang.fang@example.com"
TEXTS = [f"我的电话是{PHONE}，谢谢", f"mail {ADDRESS} or call {PHONE}", "", "没有什么 nothing here"]
BOTH = pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])


@pytest.fixture
def client(tensors: Gateway) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{tensors.port}") as made:
        yield made


def key(value: str = APP_KEY) -> dict[str, str]:
    """Headers with a key, made anew each time: the client writes into what it is given."""
    return {"Authorization": f"Bearer {value}"}


def given(name: str, values: Any, datatype: str, binary: bool) -> InferInput:
    made = InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def array(result: InferResult, name: str) -> Any:
    found = result.as_numpy(name)
    assert found is not None
    return found


def numbers(binary: bool) -> list[InferInput]:
    x = np.array([[1.5, -2.25, 3e30], [0.1, 0.0, -0.0]], np.float32)
    return [given("x", x, "FP32", binary), given("y", np.full((2, 3), 0.5, np.float32), "FP32", binary)]


def refused(client: InferenceServerClient, status: str, words: str, **asked: Any) -> None:
    """Asks for something that has to be refused so."""
    with pytest.raises(InferenceServerException, match=words) as caught:
        client.infer(**asked)
    assert caught.value.status() == status
    assert "SECRET" not in str(caught.value)


@BOTH
def test_numbers_are_added(client: InferenceServerClient, binary: bool) -> None:
    """What goes in comes out exactly, whichever way it is written, with the request's id."""
    outputs = [InferRequestedOutput("sum", binary_data=binary)]
    result = client.infer("adder", numbers(binary), outputs=outputs, request_id="7", headers=key())
    x = np.array([[1.5, -2.25, 3e30], [0.1, 0.0, -0.0]], np.float32)
    np.testing.assert_array_equal(array(result, "sum"), x + np.float32(0.5))
    reply = result.get_response()
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("7", "adder", "1")
    assert ("data" in reply["outputs"][0]) is not binary


def test_without_outputs_the_client_gets_all_as_binary_data(client: InferenceServerClient) -> None:
    """The client's own default, `binary_data_output`, is kept to."""
    result = client.infer("adder", numbers(True), headers=key(), model_version="1", priority=2, timeout=10_000_000)
    assert result.get_response()["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert array(result, "sum").shape == (2, 3)


@BOTH
def test_texts_are_masked_for_the_model_and_restored(client: InferenceServerClient, binary: bool) -> None:
    """The model is given pseudonyms, which its reply names, and the caller gets his own words back."""
    values = np.array([[text] for text in TEXTS], dtype=object)
    outputs = [InferRequestedOutput(name, binary_data=binary) for name in ("text", "spelled", "length")]
    result = client.infer("echo", [given("text", values, "BYTES", binary)], outputs=outputs, headers=key())
    assert array(result, "text").ravel().tolist() == TEXTS
    spelled = [text.replace("·", "") for text in array(result, "spelled").ravel()]
    assert spelled[2:] == TEXTS[2:]
    assert not any(value in text for text in spelled for value in (PHONE, ADDRESS))
    assert "我的电话是<" in spelled[0]
    assert array(result, "length").ravel().tolist() == [len(text) for text in spelled]


def test_halves_keep_their_bits(client: InferenceServerClient) -> None:
    """FP16 and BF16 are bytes, and no number is made of them on their way."""
    half = np.array([[1.5, np.inf], [np.nan, -6e-8]], np.float16)
    brain = np.array([[1.5, np.inf], [np.nan, -1e-38]], bfloat16)
    result = client.infer(
        "halves", [given("half", half, "FP16", True), given("brain", brain, "BF16", True)], headers=key()
    )
    assert array(result, "half").tobytes() == half.tobytes()
    assert array(result, "brain").tobytes() == brain.tobytes()


def test_the_highest_are_named(client: InferenceServerClient) -> None:
    """`class_count` asks for the highest numbers of each row, with their places."""
    outputs = [InferRequestedOutput("sum", class_count=2)]
    result = client.infer("adder", numbers(True), outputs=outputs, headers=key())
    assert array(result, "sum").tolist() == [["3e+30:2", "2.0:0"], ["0.6:0", "0.5:1"]]


def test_what_does_not_fit_is_said(client: InferenceServerClient) -> None:
    """A wrong shape, type, name, output, version, model or key is a status and a sentence, and never the caller's words."""
    short = [given("x", np.zeros((2, 2), np.float32), "FP32", True), numbers(True)[1]]
    wide = [given("x", np.zeros((2, 3)), "FP64", True), numbers(True)[1]]
    named = [given("x-SECRET", np.zeros((2, 3), np.float32), "FP32", True), numbers(True)[1]]
    wrong: list[tuple[str, str, dict[str, Any]]] = [
        ("400", "of shape", {"model_name": "adder", "inputs": short, "headers": key()}),
        ("400", "of type FP32", {"model_name": "adder", "inputs": wide, "headers": key()}),
        ("400", "is no input", {"model_name": "adder", "inputs": named, "headers": key()}),
        ("400", "is missing", {"model_name": "adder", "inputs": numbers(True)[:1], "headers": key()}),
        ("404", "no such model", {"model_name": "adder", "inputs": numbers(True), "model_version": "2", "headers": key()}),
        ("404", "No route", {"model_name": "other", "inputs": numbers(True), "headers": key()}),
        ("400", "is no output", {"model_name": "adder", "inputs": numbers(True), "headers": key(),
                                 "outputs": [InferRequestedOutput("SECRET")]}),
        ("401", "Send your key", {"model_name": "adder", "inputs": numbers(True)}),
    ]  # fmt: skip
    for status, words, asked in wrong:
        refused(client, status, words, **asked)


def test_what_is_not_served_is_said(client: InferenceServerClient) -> None:
    """Sequences, shared memory and an encoding that is not known are refused, not taken for something else."""
    shared = InferRequestedOutput("sum")
    shared.set_shared_memory("SECRET", 24)
    mapped = numbers(True)
    mapped[0].set_shared_memory("SECRET", 24)
    unserved: list[tuple[str, str, dict[str, Any]]] = [
        ("422", "Sequences", {"inputs": numbers(True), "sequence_id": 7, "sequence_start": True}),
        ("422", "shared memory", {"inputs": numbers(True), "outputs": [shared]}),
        ("422", "shared memory", {"inputs": mapped}),
        ("415", "content-encoding", {"inputs": numbers(True), "request_compression_algorithm": "deflate"}),
    ]
    for status, words, asked in unserved:
        refused(client, status, words, model_name="adder", headers=key(), **asked)


async def test_compressed_and_awaited_requests_are_served(tensors: Gateway) -> None:
    """gzip is read, and the client for asyncio is served as the other one is."""
    async with AwaitedClient(f"127.0.0.1:{tensors.port}") as client:
        for compression in (None, "gzip"):
            result = await client.infer(
                "adder", numbers(True), headers=key(), request_compression_algorithm=compression
            )
            assert array(result, "sum")[1].tolist() == pytest.approx([0.6, 0.5, 0.5])


def test_the_server_and_its_models_are_described(client: InferenceServerClient) -> None:
    """Health needs no key; a model's metadata, configuration and readiness are those of its engine."""
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata(headers=key())
    assert server["name"] == "yumen"
    assert {"binary_tensor_data", "model_repository", "statistics"} <= set(server["extensions"])
    metadata = client.get_model_metadata("adder", headers=key())
    assert metadata == client.get_model_metadata("adder", "1", headers=key())
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("adder", ["1"], "numpy")
    assert metadata["outputs"] == [{"name": "sum", "datatype": "FP32", "shape": [-1, 3]}]
    config = client.get_model_config("echo", headers=key())
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1, 1]}]
    assert client.is_model_ready("adder", headers=key())
    assert not client.is_model_ready("adder", "2", headers=key())
    assert not client.is_model_ready("other", headers=key())


def test_a_model_is_unloaded_and_loaded(client: InferenceServerClient, tensors: Gateway) -> None:
    """An operator can take a model away and bring it back, which the index shows and the ledger keeps."""
    client.unload_model("adder", headers=key(ADMIN_KEY))
    try:
        assert not client.is_model_ready("adder", headers=key())
        states = {one["name"]: one["state"] for one in client.get_model_repository_index(headers=key())}
        assert states == {"adder": "UNAVAILABLE", "echo": "READY", "halves": "READY"}
        with pytest.raises(InferenceServerException, match="not loaded"):
            client.infer("adder", numbers(True), headers=key())
    finally:
        client.load_model("adder", headers=key(ADMIN_KEY))
    assert client.infer("adder", numbers(True), headers=key()).as_numpy("sum") is not None
    with pytest.raises(InferenceServerException, match="use an admin key"):
        client.unload_model("adder", headers=key())
    with pytest.raises(InferenceServerException, match="may be empty"):
        client.load_model("adder", headers=key(ADMIN_KEY), config=json.dumps({"backend": "python"}))
    kept = tensors.ledger()
    assert kept.index(b"model_unloaded") < kept.index(b"model_loaded")


def test_requests_are_counted(client: InferenceServerClient) -> None:
    """Statistics are those of the engine, of one model or all."""

    def counted() -> int:
        (one,) = client.get_inference_statistics("adder", headers=key())["model_stats"]
        count: int = one["inference_count"]
        return count

    before = counted()
    client.infer("adder", numbers(True), headers=key())
    assert counted() == before + 2
    names = [one["name"] for one in client.get_inference_statistics(headers=key())["model_stats"]]
    assert names == ["adder", "echo", "halves"]
