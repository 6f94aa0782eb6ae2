"""What operators say: the parameters of a query, and the members of a body, all of them texts."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

import msgspec

from yumen.errors import Problem

# How much an operator may say.
ARGUMENTS_MAX, ARGUMENT_CHARS_MAX = 16, 200
TOO_MUCH = f"At most {ARGUMENTS_MAX} texts of at most {ARGUMENT_CHARS_MAX} characters."


def query_arguments(query: bytes) -> dict[str, str]:
    """The parameters of a query (`application/x-www-form-urlencoded` in UTF-8), each once. Error: `Problem` bad_request."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=ARGUMENTS_MAX,
        )  # fmt: skip
    except ValueError:
        message = f"The query cannot be read: write `name=value`, with `&` between. {TOO_MUCH}"
        raise Problem("bad_request", message) from None
    arguments = dict(pairs)
    if len(arguments) < len(pairs):
        raise Problem("bad_request", "A parameter of the query stands there twice.")
    return _bounded(arguments)


def body_arguments(body: bytes) -> dict[str, str]:
    """The members of a body. Error: `Problem` bad_request."""
    try:
        arguments = msgspec.json.decode(body or b"{}", type=dict[str, str])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Problem("bad_request", "The body is a JSON object of texts.") from None
    return _bounded(arguments)


def _bounded(arguments: dict[str, str]) -> dict[str, str]:
    long = any(len(part) > ARGUMENT_CHARS_MAX for part in _parts(arguments))
    if len(arguments) > ARGUMENTS_MAX or long:
        raise Problem("bad_request", TOO_MUCH)
    return arguments


def _parts(arguments: dict[str, str]) -> Iterable[str]:
    return (part for pair in arguments.items() for part in pair)
