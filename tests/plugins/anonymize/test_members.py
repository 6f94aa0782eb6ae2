"""Names of members say what their values are, and fields take what stands in a place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.dialects.json import Json
from yumen_plugins.anonymize.config import Field
from yumen_plugins.anonymize.fields import Fields, PathError, fits, steps_of
from yumen_plugins.anonymize.members import Members


class Shown:
    """A text as a plugin is shown it."""

    def __init__(self, path: str, kind: Any, value: str) -> None:
        self.path, self.kind, self.value, self.role, self.raw_chars = path, kind, value, "", len(value)

    def replace(self, start: int, end: int, new: str, *, rule: str = "") -> None: ...
    def mask(self, start: int, end: int, new: str, *, rule: str = "") -> None: ...


def texts(payload: Any) -> list[Shown]:
    """The texts of a payload of the JSON dialect."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    decoded = Json().decode("/apps/x", body, depth_max=64, texts_max=1000)
    return [Shown(text.path, text.kind, text.raw) for text in decoded.texts]


PAYLOAD = {
    "customer": {"name": "李雷", "phones": ["13812345678", "010-62345678"], "card": {"cvv": "123"}},
    "items": [{"name": "cup", "note": {"by": "韩梅梅"}}, {"name": "pen"}],
    "a b": "x",
}


def test_the_names_before_a_value() -> None:
    """A value has the names of the members around it, the nearest last; an item has those of its array."""
    shown = texts(PAYLOAD)
    before = {text.value: name for text, name in zip(shown, Members(shown).before(shown), strict=True)}
    assert before["李雷"] == "customer name"
    assert before["13812345678"] == before["010-62345678"] == "customer phones"
    assert before["123"] == "card cvv"
    assert before["韩梅梅"] == "note by"
    assert before["customer"] == ""


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.customer.name", ["李雷"]),
        ("$.customer.phones", []),
        ("$.customer.phones[*]", ["13812345678", "010-62345678"]),
        ("$.customer.phones[1]", ["010-62345678"]),
        ("$.items[*].name", ["cup", "pen"]),
        ("$..name", ["李雷", "cup", "pen"]),
        ("$..card..cvv", ["123"]),
        ("$['a b']", ["x"]),
        ('$["customer"]["name"]', ["李雷"]),
        ("$.customer.*", ["李雷"]),
        ("$.items..by", ["韩梅梅"]),
        ("$.nothing", []),
    ],
)
def test_a_path_takes_its_place(path: str, values: list[str]) -> None:
    """A JSONPath names the values that it names in JSON, and their names are not among them."""
    shown = texts(PAYLOAD)
    found = Fields([Field(path=path, id="acme.field")]).find(shown, Members(shown))
    assert [text.value for text, hits in zip(shown, found, strict=True) if hits] == values


@pytest.mark.parametrize("path", ["customer", "$", "$.", "$.a[?(@.b)]", "$.a[1:2]", "$..", "$.a b", "$x", "$.a[-1]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """What cannot be used says so, and is never taken for something else."""
    with pytest.raises(PathError):
        steps_of(path)


@given(
    st.lists(st.sampled_from(["a", "b", "[0]", "*", ".."]), min_size=1, max_size=6),
    st.lists(st.sampled_from(["a", "b", "[0]"]), max_size=8),
)
def test_paths_fit_as_they_are_defined(pattern: list[str], steps: list[str]) -> None:
    """Against the definition: `*` is any one step, `..` any number of them."""

    def defined(rest: list[str], left: list[str]) -> bool:
        if not rest:
            return not left
        if rest[0] == "..":
            return any(defined(rest[1:], left[skip:]) for skip in range(len(left) + 1))
        return bool(left) and rest[0] in (left[0], "*") and defined(rest[1:], left[1:])

    assert fits(pattern, steps) == defined(pattern, steps)
