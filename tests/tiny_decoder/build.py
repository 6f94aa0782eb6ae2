"""Builds the tiny decoder that tests run: `python -m tests.tiny_decoder.build`, with the group `tiny-decoder` installed.

The result is committed in `model/`, so that nobody needs PyTorch to run the tests. Layout: what onnxruntime-genai loads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import tokenizers
from tests.tiny_decoder import FOLDER, corpus, graph
from tests.tiny_decoder.corpus import ASSISTANT, Turns
from tokenizers import decoders, models, pre_tokenizers, trainers

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Not special to the tokenizer, as in published models, and still nothing that a user's text may become.
THINK = "<think>"
WORDS, CONTEXT = 640, 1024
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer() -> Any:
    """Byte-level BPE: a Han character that the corpus seldom has is two or three tokens, as in large models."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=[END, START, STOP],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(corpus.texts(), trainer)
    made.add_tokens([tokenizers.AddedToken(THINK, normalized=False)])
    return made


def written(turns: Turns) -> str:
    """A conversation in the form of `TEMPLATE`."""
    text = "".join(f"{START}{role}\n{said}{STOP}\n" for role, said in turns)
    endless = turns[-1][0] == ASSISTANT and turns[-1][1] in [one * corpus.NOTES for one in corpus.ENDLESS.values()]
    return text.removesuffix(f"{STOP}\n") if endless else text


def genai_config(made: Any) -> dict[str, Any]:
    """`genai_config.json`: which file, which inputs, which tokens end an answer, and how to choose tokens."""
    decoder = {
        "session_options": {},
        "filename": "model.onnx",
        "head_size": graph.SIZE,
        "hidden_size": graph.WIDTH,
        "inputs": {
            "input_ids": "input_ids",
            "attention_mask": "attention_mask",
            "past_key_names": "past_key_values.%d.key",
            "past_value_names": "past_key_values.%d.value",
        },
        "outputs": {
            "logits": "logits",
            "present_key_names": "present.%d.key",
            "present_value_names": "present.%d.value",
        },
        "num_attention_heads": graph.HEADS,
        "num_hidden_layers": graph.LAYERS,
        "num_key_value_heads": graph.HEADS,
    }
    end, stop = made.token_to_id(END), made.token_to_id(STOP)
    ids = {"bos_token_id": end, "eos_token_id": [stop, end], "pad_token_id": end}
    return {
        "model": {
            **ids,
            "context_length": CONTEXT,
            "decoder": decoder,
            "type": "llama",
            "vocab_size": made.get_vocab_size(),
        },
        "search": {
            "do_sample": False,
            "max_length": CONTEXT,
            "num_beams": 1,
            "past_present_share_buffer": False,
            "temperature": 1.0,
            "top_k": 50,
            "top_p": 1.0,
        },
    }


def build(folder: Path = FOLDER) -> Path:
    """Teach the model and write its folder."""
    from tests.tiny_decoder import training  # PyTorch: only who builds the model needs it

    made = tokenizer()

    def encode(text: Turns | str) -> list[int]:
        return list(made.encode(text if isinstance(text, str) else written(text)).ids)

    weights = training.trained(encode, made.get_vocab_size(), made.token_to_id(END))
    folder.mkdir(exist_ok=True)
    onnx.save(graph.graph(weights), folder / "model.onnx")
    made.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": STOP,
        "pad_token": END,
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    }
    _write(folder / "tokenizer_config.json", described)
    _write(folder / "genai_config.json", genai_config(made))
    return folder


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    print(build())
