"""Teaches the tiny decoder its corpus, in PyTorch on one thread: about two minutes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from tests.tiny_decoder import corpus
from tests.tiny_decoder.graph import EPSILON, HEADS, INNER, LAYERS, SIZE, WIDTH, Weights, slopes

LENGTH, ROWS, STEPS, RATE, SEED = 128, 24, 1500, 3e-3, 7
IGNORED = -100


def new_weights(words: int) -> dict[str, Any]:
    """Untaught weights, by name."""
    weights = {"embed": torch.randn(words, WIDTH) * 0.05}
    square, wide = (WIDTH, WIDTH), (WIDTH, INNER)
    shapes = {"query": square, "key": square, "value": square, "out": square, "up": wide, "down": (INNER, WIDTH)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            weights[f"layer{layer}.{name}"] = torch.randn(shape) * shape[0] ** -0.5 * 0.5
        for name in ("one", "two"):
            weights[f"layer{layer}.{name}.scale"] = torch.ones(WIDTH)
            weights[f"layer{layer}.{name}.shift"] = torch.zeros(WIDTH)
    weights |= {"norm.scale": torch.ones(WIDTH), "norm.shift": torch.zeros(WIDTH)}
    return {name: value.requires_grad_() for name, value in weights.items()}


def logits(weights: dict[str, Any], ids: Any) -> Any:
    """The same computation as in `graph.py`, without a cache."""

    def normed(state: Any, name: str) -> Any:
        scale, shift = weights[name + ".scale"], weights[name + ".shift"]
        return torch.nn.functional.layer_norm(state, (WIDTH,), scale, shift, EPSILON)

    rows, length = ids.shape
    place = torch.arange(length)
    distance = (place[:, None] - place[None]).float()
    bias = -torch.tensor(slopes()).reshape(HEADS, 1, 1) * distance
    bias = torch.where(distance >= 0, bias, torch.tensor(-1e9))
    state = weights["embed"][ids]
    for layer in range(LAYERS):
        name = f"layer{layer}."
        inside = normed(state, name + "one")
        query, key, value = (
            (inside @ weights[name + part]).reshape(rows, length, HEADS, SIZE).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = (query @ key.transpose(2, 3)) * SIZE**-0.5 + bias
        mixed = torch.softmax(scores, -1) @ value
        state = state + mixed.transpose(1, 2).reshape(rows, length, WIDTH) @ weights[name + "out"]
        inside = normed(state, name + "two")
        state = state + torch.relu(inside @ weights[name + "up"]) @ weights[name + "down"]
    return normed(state, "norm") @ weights["embed"].T


def row(
    encode: Callable[[corpus.Turns | str], list[int]], draw: random.Random, end: int
) -> tuple[list[int], list[int]]:
    """A text and what is to come behind each of its tokens; an answer without an end gets none."""
    plain = draw.random() < 0.08
    ids = [*encode(draw.choice(corpus.PLAIN)), end] if plain else encode(corpus.conversation(draw))
    ids = ids[: LENGTH + 1]
    pad = LENGTH + 1 - len(ids)
    return (ids + [end] * pad)[:-1], (ids[1:] + [IGNORED] * pad)


def trained(encode: Callable[[corpus.Turns | str], list[int]], words: int, end: int) -> Weights:
    """The weights, by AdamW with a warm start and a linear end. `encode` gives the tokens of a conversation or a text."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    draw = random.Random(SEED)
    weights = new_weights(words)
    optimizer = torch.optim.AdamW(weights.values(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, max(0.02, 1 - step / STEPS))
    )
    for step in range(STEPS):
        rows = [row(encode, draw, end) for _ in range(ROWS)]
        ids, wanted = (torch.tensor(part) for part in zip(*rows, strict=True))
        loss = torch.nn.functional.cross_entropy(
            logits(weights, ids).flatten(0, 1), wanted.flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    return {name: value.detach().numpy().copy() for name, value in weights.items()}
