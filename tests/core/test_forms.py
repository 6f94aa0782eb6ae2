"""The chain: edits of texts, and the two forms of every text, raw and masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from tests.core.probes import Masker, Probe, engine
from tests.kit import Ledger, exchange, given_to, request, step

from yumen import Manifest


async def test_the_later_plugin_sees_the_earlier_ones_result() -> None:
    """Two mutators never edit the same span unseen: the second is shown what the first has made."""
    seen: list[str] = []

    def first(view: Any) -> None:
        view.texts[-1].replace(0, 5, "你好")

    def second(view: Any) -> None:
        seen.append(view.texts[-1].value)
        view.texts[-1].replace(2, 2, "!")

    asked = engine()
    await exchange(
        [step(Probe("a", [], request=first), name="a"), step(Probe("b", [], request=second), name="b")], asked
    )
    assert seen == ["你好"]
    assert '"你好!"' in given_to(asked)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: (text.replace(0, 3, "x"), text.replace(2, 4, "y")),
        lambda text: (text.replace(3, 5, "x"), text.replace(0, 4, "y")),
        lambda text: text.replace(-1, 2, "x"),
        lambda text: text.replace(0, 6, "x"),
        lambda text: text.replace(3, 2, "x"),
        lambda text: text.mask(0, 1, "x"),
    ],
)
async def test_impossible_edits_are_faults(edit: Callable[[Any], Any]) -> None:
    """Overlapping spans, spans outside the text and edits that the manifest does not allow are faults of the plugin."""
    outcome = await exchange([step(Probe("a", [], request=lambda view: edit(view.texts[-1])))], engine())
    assert outcome.code == "plugin_fault"


async def test_only_who_mutates_may_edit() -> None:
    """A manifest without `mutates` cannot edit."""

    class Reader(Probe):
        manifest: ClassVar[Manifest] = Manifest(name="reader", version="1", sees="raw")

    outcome = await exchange([step(Reader("a", [], request=lambda view: view.texts[0].replace(0, 1, "")))], engine())
    assert outcome.code == "plugin_fault"


@pytest.mark.parametrize("secret", ["SECRET", "秘密"])
async def test_the_engine_and_the_stores_get_the_masked_form_and_the_client_the_raw_one(secret: str) -> None:
    """With a masking plugin the raw value is known to the client alone."""
    ledger = Ledger()
    token = {"SECRET": "<S_1>", "秘密": "<S_2>"}[secret]
    asked = engine(f"you said {token}, and {secret} is mine")
    outcome = await exchange(
        [step(ledger), step(Masker("m", []))], asked, request(f"my {secret}", user=secret), egress="remote"
    )
    assert secret not in given_to(asked)
    assert token in given_to(asked)
    assert outcome.content == f"you said {secret}, and {secret} is mine"
    record = ledger.records[0]
    assert secret not in str(record) + str(ledger.before)
    assert f"my {token}" in record["request"]
    assert f"you said {token}, and {token} is mine" in record["reply"]
    assert all(value.startswith("hmac:") for value in ledger.before[0])


async def test_without_a_masking_plugin_stores_get_digests() -> None:
    """On a route where nobody masks, what may only see masked text sees keyed digests, the same for the same text."""
    ledger = Ledger()
    await exchange([step(ledger)], engine("SECRET reply"), request("SECRET"))
    await exchange([step(ledger)], engine("SECRET reply"), request("SECRET"))
    assert "SECRET" not in str(ledger.records)
    assert ledger.records[0]["request"] == ledger.records[1]["request"]
    assert all(value.startswith("hmac:") for value in ledger.records[0]["request"] + ledger.records[0]["reply"])


async def test_masking_in_shadow_keeps_the_stores_clean() -> None:
    """A masking plugin in shadow still feeds the masked form, while the engine gets the raw text."""
    ledger = Ledger()
    asked = engine("SECRET too")
    outcome = await exchange([step(ledger), step(Masker("m", []), mode="shadow")], asked, request("SECRET"))
    assert "SECRET" in given_to(asked)
    assert outcome.content == "SECRET too"
    assert "SECRET" not in str(ledger.records)
    assert "<S_1> too" in ledger.records[0]["reply"]


@pytest.mark.parametrize("egress", ["remote", "local"])
@pytest.mark.parametrize("reason", ["", "agreed on 2026-11-01"])
async def test_raw_text_never_reaches_a_remote_engine_by_accident(egress: str, reason: str) -> None:
    """Should a route lack its masking plugin in spite of the flow check, nothing leaves for a remote engine."""
    asked = engine()
    outcome = await exchange([], asked, egress=egress, accept_raw=reason)
    stopped = egress == "remote" and not reason
    assert bool(asked.requests) is not stopped
    assert (outcome.status == 200) is not stopped


async def test_a_masked_view_of_the_models_name() -> None:
    """The model's name is the caller's own words, so a store gets its masked form too."""
    named: list[str] = []

    class Namer(Probe):
        manifest: ClassVar[Manifest] = Manifest(name="namer", version="1", sees="masked")

    await exchange([step(Namer("n", [], complete=lambda view: named.append(view.model)))], engine())
    assert named[0].startswith("hmac:")
