"""Whatever stands in a policy file, checking it ends with a list, and what it accepts can be served."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.evil import EVIL, GATEWAY, LIMITS

from yumen import Secret, Settings
from yumen.errors import Diagnostic
from yumen.parts import Parts
from yumen.policy.load import check_bundle
from yumen.runtime import Runtime

FILES = ["gateway.yaml", "limits.yaml", "more.test.yaml"]
STARTER = Path(__file__).parents[2] / "policies" / "yumen_policies" / "starter"


def checked(file: str, content: bytes) -> list[Diagnostic]:
    """What is said about a bundle with this file in it; everything said has a place in some file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gateway.yaml").write_text(GATEWAY)
        (folder / "limits.yaml").write_text(LIMITS)
        (folder / file).write_bytes(content)
        bundle, found = check_bundle(name, {"A": "1"})
        assert bundle is not None or found
        for one in found:
            assert one.line >= 1
            assert one.column >= 1
            assert "\n" not in str(one)
            str(one).encode()
        return found


@pytest.mark.timeout(20)  # the slowest takes half a second; this is for what would take minutes
@pytest.mark.parametrize("name", EVIL)
def test_files_that_are_made_to_be_slow(name: str) -> None:
    """100 kB of anything are checked in a moment; `python -m tests.bench_parts.hostile_policies` prints the times."""
    file, content = EVIL[name]
    checked(file, content.encode())


@given(st.sampled_from(FILES), st.binary(max_size=400))
def test_any_bytes(file: str, content: bytes) -> None:
    """No byte string makes the check fail in any other way than with a list."""
    checked(file, content)


@given(st.sampled_from(FILES), st.text(max_size=200), st.randoms())
def test_torn_and_mixed_files(file: str, noise: str, random: Any) -> None:
    """Nor do pieces of good files, cut and put together anew with noise between them."""
    source = "".join(path.read_text() for path in sorted(STARTER.glob("*.yaml")))
    cuts = sorted(random.randrange(len(source)) for _ in range(6))
    parts = [source[cuts[0] : cuts[1]], noise, source[cuts[2] : cuts[3]], source[cuts[4] : cuts[5]]]
    checked(file, "".join(parts).encode("utf-8", "surrogatepass"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["version", "plugin", "mode", "rules", "match", "config", "tests", "until", "sample", "engines", "routes", "limits",
     "extends", "disable", "request", "expect", "id", "chain", "name", "cites", "detect", "patterns", "action"]
)  # fmt: skip


@given(st.sampled_from(FILES), st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=4), max_size=8))
def test_any_value_under_known_keys(file: str, content: dict[str, Any]) -> None:
    """Nor do values of every kind where others belong."""
    checked(file, json.dumps({"version": 1, "plugin": "limits", **content}).encode())


COUNTS = st.sampled_from([0, 1, 60, 10**9, 10**9 + 1, -1])
PATTERNS = st.text("ab(|)[]*+?{1,3}\\d.^$", min_size=1, max_size=12)
LIMITS_CONFIG = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("requests_per_minute", "concurrent", "body_bytes"), COUNTS)
)
ANONYMIZE_CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "detect": st.lists(st.sampled_from(["*", "cn.*", "email", "ip", "bank_card", "nothing"]), max_size=3),
        "action": st.dictionaries(
            st.sampled_from(["default", "email", "cn.*", "acme.x"]),
            st.sampled_from(["pseudonym", "redact", "mask", "hash", "keep", "block", "else"]),
            max_size=3,
        ),
        "patterns": st.lists(
            st.fixed_dictionaries({"id": st.sampled_from(["acme.x", "acme.y", "email"]), "pattern": PATTERNS}),
            max_size=2,
        ),
    },
)
AUDIT_CONFIG = st.fixed_dictionaries(
    {},
    optional={"texts": st.sampled_from(["masked", "digest", "none", "raw"]), "gather_ms": st.sampled_from([0, 2, 99])},
)
KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["enforce", "shadow", "off"]),
        "on_error": st.sampled_from(["closed", "open"]),
        "sample": st.sampled_from([0.5, 1, 2]),
        "until": st.sampled_from(["2026-01-01", "2099-01-01T00:00:00Z", "never"]),
        "rules": st.dictionaries(
            st.sampled_from(["email", "cn.*", "acme.x", "concurrent", "*"]),
            st.fixed_dictionaries({}, optional={"mode": st.sampled_from(["enforce", "shadow", "off"])}),
            max_size=2,
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(LIMITS_CONFIG, ANONYMIZE_CONFIG, AUDIT_CONFIG, KNOBS, st.permutations(["audit", "limits", "anonymize"]))
async def test_what_check_accepts_can_be_served(
    limits: dict[str, Any], anonymize: dict[str, Any], audit: dict[str, Any], knobs: dict[str, Any], chain: list[str]
) -> None:
    """A bundle that the check accepts starts: no plugin refuses later what it could have refused at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        folder.mkdir()
        gateway = GATEWAY.replace("[limits]", json.dumps(chain))
        (folder / "gateway.yaml").write_text(gateway)
        for plugin, config in (("limits", limits), ("anonymize", anonymize), ("audit", audit)):
            content = {"version": 1, "plugin": plugin, "config": config, **(knobs if plugin == "anonymize" else {})}
            (folder / f"{plugin}.yaml").write_text(json.dumps(content))
        bundle, _ = check_bundle(str(folder), {})
        if bundle is None:
            return
        runtime = Runtime(bundle, Parts(Settings(data_dir=Path(name) / "data"), Secret(bytes(32))))
        (Path(name) / "data").mkdir()
        await runtime.start()
        assert set(runtime.chains) == {"chat"}
        await runtime.stop()
