"""The process of a model: loads it, and writes answers, a token each in turn. Its argument is `Setup` in JSON.

It is a process of its own because onnxruntime-genai keeps Python's lock while it computes, which would stop the whole
gateway for as long as a prompt takes. It ends with the gateway, and when its standard input does. One thread does
everything: between two rounds it reads what it is told, so an answer that nobody waits for is dropped within one token.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from yumen import plain_content
from yumen_engines.generate.protocol import (
    READ_BYTES,
    Drop,
    Dropped,
    Finish,
    Frames,
    Order,
    Ready,
    Refused,
    Rendered,
    Report,
    Round,
    Said,
    Setup,
    Start,
    frame,
)

# Of a message to the operator; of what a template writes, without the texts of the messages.
WHY_CHARS, WRITTEN_CHARS_MAX = 300, 1 << 24
# Of the model's configuration: some have a line for each of hundreds of layers.
CONFIG_BYTES_MAX = 16 << 20
# `prctl(2)`: the signal that a process gets when the thread that started it ends.
PR_SET_PDEATHSIG = 1
INSTALL = {
    "cpu": "run: pip install 'yumen[generate]'",
    "cuda": "install onnxruntime-genai-cuda in the place of onnxruntime-genai",
}


class Answer:
    """An answer that is being written. The prompt is read when its first turn comes."""

    def __init__(self, order: Start) -> None:
        self.order = order
        self._generator: Any = None
        self._said = 0

    @property
    def begun(self) -> bool:
        """Whether its prompt has been read."""
        return self._generator is not None

    def step(self, model: Model) -> Said:
        """The next token."""
        if self._generator is None:
            self._generator = model.generator(self.order)
        self._generator.generate_next_token()
        token = int(self._generator.get_next_tokens()[0])
        self._said += 1
        finish: Finish = ""
        if token in model.ends:
            finish = "stop"
        elif self._said >= self.order.tokens_max or self._generator.is_done():
            finish = "length"
        return Said(self.order.id, token, finish)


class Model:
    """The loaded model. Error: anything that the library raises."""

    def __init__(self, og: Any, setup: Setup, described: dict[str, Any]) -> None:
        config = og.Config(setup.folder)
        config.clear_providers()
        if setup.device != "cpu":
            config.append_provider(setup.device)
        # Threads that spin between steps would take the processor from the gateway beside.
        session = {"intra_op_num_threads": setup.threads, "session.intra_op.allow_spinning": "0"}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
        self._og = og
        self._model = og.Model(config)
        self._tokenizer = og.Tokenizer(self._model)
        self.ends = frozenset(int(one) for one in self._tokenizer.eos_token_ids)
        self.ready = Ready(
            min(setup.context_max, int(described["model"]["context_length"])),
            str(self._model.device_type).lower(),
            str(self._model.type),
            f"onnxruntime-genai {og.__version__}",
            int(described["model"]["vocab_size"]),
        )

    def generator(self, order: Start) -> Any:
        """A search that has read its prompt."""
        prompt = np.frombuffer(order.prompt, "<i4").copy()  # the library wants one that could be written to
        params = self._og.GeneratorParams(self._model)
        params.set_search_options(batch_size=1, num_beams=1, num_return_sequences=1)
        params.set_search_options(**order.search, max_length=len(prompt) + order.tokens_max)
        generator = self._og.Generator(self._model, params)
        generator.append_tokens(prompt)
        return generator

    def render(self, messages: str) -> str | None:
        """What the chat template writes, or None where it raises or is without measure."""
        try:
            written = str(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True))
        except Exception:  # a template that says no and one that is wrong raise the same
            return None
        return written if len(written) <= WRITTEN_CHARS_MAX else None


def opened(setup: Setup) -> Model:
    """Load the model and let it write a token. Error: ValueError with a sentence for the operator."""
    try:
        og = importlib.import_module("onnxruntime_genai")  # heavy, and an extra
    except ImportError:
        raise ValueError(f"the generate engine needs onnxruntime-genai; {INSTALL[setup.device]}") from None
    og.disable_telemetry_events()
    if setup.device == "cuda" and not og.is_cuda_available():
        raise ValueError(f"this onnxruntime-genai knows no CUDA; {INSTALL['cuda']}")
    described = _described(Path(setup.folder) / "genai_config.json")
    try:
        model = Model(og, setup, described)
        Answer(Start(0, np.array([min(model.ends)], "<i4").tobytes(), {}, 1)).step(model)
    except Exception as error:  # whatever the library raises, the model cannot be used
        # No request has come yet, so the library's words can be about nothing but the files.
        why = " ".join(str(error).split())[:WHY_CHARS]
        raise ValueError(f"cannot load the model in {setup.folder}: {why}; export it again") from None
    return model


def _described(path: Path) -> dict[str, Any]:
    """What the model's configuration says. Error: ValueError with a sentence for the operator."""
    names: set[str] = set()

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # All of them, since the library may see another one of two with the same name than is kept here.
        names.update(name for name, _ in pairs)
        return dict(pairs)

    try:
        content = plain_content(path, CONFIG_BYTES_MAX)
        described: dict[str, Any] = json.loads(content, object_pairs_hook=members)
    except (OSError, ValueError, RecursionError):
        raise ValueError(f"cannot read {path}; export the model again") from None
    if b"custom_ops_library" in content or "custom_ops_library" in names:
        raise ValueError(f"{path} names a library of its own to load, which this engine does not do")
    return described


class Loop:
    """Reads orders and writes rounds until nobody is there any more."""

    def __init__(self, model: Model, orders: int, reports: int) -> None:
        self._model = model
        self._orders, self._reports = orders, reports
        self._frames = Frames()
        self._decode = msgspec.msgpack.Decoder(Order).decode
        self._answers: dict[int, Answer] = {}

    def run(self) -> None:
        """Until the other side closes."""
        while self._listen():
            said = [self._step(answer) for answer in self._turn()]
            if said:
                send(self._reports, Round(said))

    def _turn(self) -> list[Answer]:
        """Whose turn it is: of those that have not begun, whose prompt takes long to read, one a round."""
        begun = [one for one in self._answers.values() if one.begun]
        new = [one for one in self._answers.values() if not one.begun]
        return begun + new[:1]

    def _listen(self) -> bool:
        """Read what there is; wait for it where nothing is to be done. False at the end."""
        while select.select([self._orders], [], [], 0 if self._answers else None)[0]:
            data = os.read(self._orders, READ_BYTES)
            if not data:
                return False
            for body in self._frames.feed(data):
                self._take(self._decode(body))
        return True

    def _take(self, order: Order) -> None:
        if isinstance(order, Start):
            self._answers[order.id] = Answer(order)
        elif isinstance(order, Drop):
            self._answers.pop(order.id, None)
            send(self._reports, Dropped(order.id))
        else:
            send(self._reports, Rendered(order.id, self._model.render(order.messages)))

    def _step(self, answer: Answer) -> Said:
        try:
            said = answer.step(self._model)
        except Exception as error:  # one answer that fails is no reason to end the others
            said = Said(answer.order.id, -1, "failed", type(error).__name__)
        if said.finish:
            del self._answers[answer.order.id]
        return said


def send(reports: int, report: Report) -> None:
    """Write one message whole."""
    data = memoryview(frame(report))
    while data:
        data = data[os.write(reports, data) :]


def end_with(parent: int) -> None:
    """Have the operating system end this process with the one that started it, even where it computes or is stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)  # it had gone before it could be told


def main() -> None:
    """See the module's docstring."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    end_with(setup.parent)
    # A signal to the whole group is for the gateway, which lets what is under way come to its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Nothing that a library prints may come between the frames.
    reports = os.dup(1)
    os.dup2(2, 1)
    try:
        model = opened(setup)
    except ValueError as error:
        send(reports, Refused(str(error)))
        return
    try:
        send(reports, model.ready)
        Loop(model, 0, reports).run()
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main()
