"""Reloading: what takes the place of what, in which order, who is told, and what stays as it is when something is wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import REGISTRY
from tests.reload.conftest import ADMIN, Served, until
from tests.reload.odd import GATEWAY, MODULE, Policy

import yumen.reload
from yumen.errors import CannotStart
from yumen.policy.folder import SIGNATURE, read_folder
from yumen.policy.signature import sign
from yumen.policy.signers import public_path, save_key
from yumen.proof import Asked, Proof, Prover, Reason
from yumen.settings import Settings
from yumen_plugins.anonymize import Anonymize

ANONYMIZE = "version: 1\nplugin: anonymize\nconfig: {detect: [%s]}\n"
DOCS = Path(__file__).parents[2] / "docs"


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("yumen_policy_reload_failed_total", {"reason": reason}) or 0.0


async def test_a_new_policy_takes_the_place_of_the_old(served: Served, policy: Policy) -> None:
    """The new one serves, its plugins that have not changed go on as they are, and the record says what, who and when."""
    before, old = served.hash, served.plane.runtime
    policy.say("new")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.result, attempt.by, attempt.old, attempt.new) == ("reloaded", ADMIN, before, served.hash)
    assert served.hash != before
    assert served.plane.runtime is not old
    loaded, reloaded = served.notes()
    assert (loaded["kind"], loaded["actor"], loaded["details"]) == (
        "policy_loaded",
        "start",
        {"new": before, "name": policy.folder.name},
    )
    assert (reloaded["kind"], reloaded["actor"], reloaded["details"]) == (
        "policy_reloaded",
        ADMIN,
        {"old": before, "new": served.hash},
    )
    assert len(before) == len(served.hash) == 64
    assert (served.reloader.last, served.reloader.loaded_by) == (attempt, ADMIN)
    assert REGISTRY.get_sample_value("yumen_policy", {"policy": served.hash[:12]}) == 1
    assert REGISTRY.get_sample_value("yumen_policy", {"policy": before[:12]}) == 0


async def test_what_has_not_changed_goes_on(served: Served, policy: Policy) -> None:
    """A ledger is not closed and begun anew because a rule beside it changed; one whose own configuration did is."""
    step = served.plane.runtime.chains["chat"].steps[0]
    policy.say("new")
    await served.reloader.reload(ADMIN)
    assert served.plane.runtime.chains["chat"].steps[0].plugin is step.plugin
    policy.write(notes="version: 1\nplugin: notes\nconfig: {file: other}\n")
    await served.reloader.reload(ADMIN)
    assert served.plane.runtime.chains["chat"].steps[0].plugin is not step.plugin
    assert served.kinds("notes") == ["policy_loaded", "policy_reloaded", "policy_reloaded"]
    assert served.kinds("other") == ["policy_reloaded"]


async def test_nothing_new_is_no_operation(served: Served, policy: Policy) -> None:
    """Comments and test cases change no policy: the attempt is known, and nothing else happens."""
    runtime = served.plane.runtime
    policy.write(odd="# 注释\nversion: 1\nplugin: odd\n")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.result, attempt.new) == ("unchanged", served.hash)
    assert served.plane.runtime is runtime
    assert served.kinds() == ["policy_loaded"]
    assert served.reloader.loaded_by == "start"


REFUSALS: dict[str, tuple[str, Callable[[Policy], object]]] = {
    "yaml": ("policy", lambda policy: policy.write(odd="version: 1\nplugin: odd\n\tword")),
    "key": ("policy", lambda policy: policy.write(odd="version: 1\nplugin: odd\nmod: off\n")),
    "gone": ("policy", lambda policy: policy.folder.rename(policy.folder.with_name("gone"))),
    "case": (
        "tests",
        lambda policy: policy.write(
            odd="version: 1\nplugin: odd\ntests: [{name: n, request: {text: t}, expect: {code: rate_limited}}]\n"
        ),
    ),
    "crash": ("crashed", lambda policy: policy.say("x", start="crash")),
    "start": ("start", lambda policy: policy.say("x", start="refuse")),
    "start here": ("start", lambda policy: policy.say("x", start="refuse", here="gateway")),
    "fail here": ("start", lambda policy: policy.say("x", start="fail", here="gateway")),
    "exit here": ("start", lambda policy: policy.say("x", start="exit", here="gateway")),
    "exit": ("start", lambda policy: policy.say("x", start="exit")),
    "import": ("policy", lambda policy: policy.write(odd="version: 1\nplugin: ends\n")),
    "pin": ("policy", lambda policy: policy.write(odd='version: 1\nplugin: odd\npin: {version: "2.0"}\n')),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_is_wrong_leaves_the_old_policy(served: Served, policy: Policy, name: str) -> None:
    """Whatever is wrong: the old one serves, is ready, and says why there is no new one."""
    reason, spoil = REFUSALS[name]
    runtime, count = served.plane.runtime, failures(reason)
    spoil(policy)
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.result, attempt.reason) == ("refused", reason)
    assert attempt.diagnostics
    assert served.plane.runtime is runtime
    assert await runtime.ready() == {}
    assert failures(reason) == count + 1
    assert REGISTRY.get_sample_value("yumen_policy_reload_ok") == 0
    noted = served.notes()[-1]
    assert (noted["kind"], noted["actor"]) == ("policy_reload_failed", ADMIN)
    details = noted["details"]
    assert isinstance(details, dict)
    assert (details["old"], details["reason"]) == (served.hash, reason)
    Policy(policy.folder).say("right")
    assert (await served.reloader.reload(ADMIN)).result == "reloaded"
    assert REGISTRY.get_sample_value("yumen_policy_reload_ok") == 1


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("refuse", "the reason quotes the value of ODD_SECRET, which is not shown"),
        ("fail", "plugin odd of odd failed to start: ValueError at "),
    ],
)
@pytest.mark.parametrize("here", ["proof", "gateway"])
async def test_no_value_from_the_environment_is_told(
    served: Served, policy: Policy, monkeypatch: pytest.MonkeyPatch, how: str, what: str, here: str
) -> None:
    """What a plugin says when it cannot start may quote a secret; wherever it says it, the secret stays where it is.

    Only the words that it has for operators are told at all.
    """
    monkeypatch.setenv("ODD_SECRET", "密-5ecret")
    policy.say("'${env:ODD_SECRET}'", start=how, here=here)
    attempt = await served.reloader.reload(ADMIN)
    assert attempt.reason == "start"
    assert attempt.diagnostics[0].what.startswith(what)
    assert b"5ecret" not in msgspec.json.encode([attempt, served.notes()])


async def test_a_plugin_that_never_starts(served: Served, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts only elsewhere is not waited for for ever."""
    monkeypatch.setattr(yumen.reload, "START_S_MAX", 0.2)
    policy.say("x", start="wait", here="gateway")
    attempt = await served.reloader.reload(ADMIN)
    assert attempt.reason == "start"
    assert "had not started after 0.2 s" in attempt.diagnostics[0].what


async def test_without_a_record_nothing_happens(served: Served, policy: Policy) -> None:
    """Where the ledger does not take the record, the old policy goes on serving; when it does again, reloading works."""
    before = served.hash
    (served.settings.data_dir / "refuse").touch()
    policy.say("new")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.result, attempt.reason, served.hash) == ("refused", "unrecorded", before)
    assert served.kinds() == ["policy_loaded"]
    (served.settings.data_dir / "refuse").unlink()
    assert (await served.reloader.reload(ADMIN)).result == "reloaded"


@pytest.mark.parametrize("knob", ["on_error: open", "mode: shadow"])
async def test_a_ledger_that_may_fail(served: Served, policy: Policy, knob: str) -> None:
    """Policy decides whether records are indispensable: an instance that fails open holds nothing up."""
    policy.write(notes=f"version: 1\nplugin: notes\n{knob}\n")
    assert (await served.reloader.reload(ADMIN)).result == "reloaded"
    (served.settings.data_dir / "refuse").touch()
    policy.say("new")
    assert (await served.reloader.reload(ADMIN)).result == "reloaded"


async def test_a_record_of_what_then_does_not_happen_is_revoked(served: Served, policy: Policy) -> None:
    """The new ledger has taken the record and the old one has not: the new one is told that it came to nothing."""
    policy.write(notes="version: 1\nplugin: notes\nconfig: {file: stubborn, refuse: policy_reloaded}\n")
    assert (await served.reloader.reload(ADMIN)).reason == "unrecorded"
    policy.write(notes="version: 1\nplugin: notes\nconfig: {refuse: policy_reloaded}\n")
    assert (await served.reloader.reload(ADMIN)).reason == "unrecorded"
    assert served.kinds() == ["policy_loaded", "policy_reload_failed", "policy_reload_failed", "policy_reload_failed"]
    assert served.kinds("stubborn") == ["policy_reload_failed"]


async def test_start_without_a_record_is_refused(settings: Settings, prover: Prover) -> None:
    """A gateway does not serve a policy of which it cannot record that it was loaded."""
    settings.data_dir.mkdir()
    (settings.data_dir / "refuse").touch()
    served = Served(settings, prover)
    await served.first.start()
    with pytest.raises(CannotStart, match="has not taken the record"):
        await served.reloader.begin()
    await served.first.stop()


async def test_the_old_policy_stops_with_its_last_exchange(served: Served, policy: Policy) -> None:
    """What began under a policy ends under it; its plugins stop when the last of its exchanges has left, and not before."""
    stopped = served.settings.data_dir / "old"
    policy.write(notes="version: 1\nplugin: notes\nconfig: {stopped: old}\n")
    await served.reloader.reload(ADMIN)
    runtime = served.plane.runtime
    runtime.enter()
    runtime.enter()
    policy.write(notes="version: 1\nplugin: notes\n")
    await served.reloader.reload(ADMIN)
    runtime.leave()
    await asyncio.sleep(0.05)
    assert not stopped.exists()
    runtime.leave()
    await until(stopped.exists)
    assert served.reloader._retiring == {}


async def test_nothing_is_left_of_an_old_policy(served: Served, policy: Policy) -> None:
    """What served once is gone as soon as it is stopped, without a collector that would have to come by."""
    gc.disable()
    try:
        policy.say("first")
        await served.reloader.reload(ADMIN)
        chain = served.plane.runtime.chains["chat"]
        old = [weakref.ref(one) for one in (served.plane.runtime, chain, chain.steps[1].plugin)]
        del chain
        policy.say("second")
        await served.reloader.reload(ADMIN)
        await until(lambda: not served.reloader._retiring)
        assert [one() for one in old] == [None, None, None]
    finally:
        gc.enable()


async def test_nothing_is_left_of_an_old_scanner(served: Served, policy: Policy) -> None:
    """What takes megabytes, compiled expressions, goes with the policy that had them."""
    gc.disable()
    try:
        policy.write(gateway=GATEWAY.replace("[notes, odd]", "[notes, anonymize]"), anonymize=ANONYMIZE % "email")
        assert (await served.reloader.reload(ADMIN)).result == "reloaded"
        plugin = served.plane.runtime.chains["chat"].steps[1].plugin
        assert isinstance(plugin, Anonymize)
        old = [weakref.ref(one) for one in (plugin, plugin._finder, plugin._finder.scanner)]
        del plugin
        policy.write(anonymize=ANONYMIZE % "email, ip")
        assert (await served.reloader.reload(ADMIN)).result == "reloaded"
        await until(lambda: not served.reloader._retiring)
        assert [one() for one in old] == [None] * len(old)
    finally:
        gc.enable()


async def test_closing_does_not_wait_for_streams(served: Served, policy: Policy) -> None:
    """A gateway that ends stops policies of which exchanges are still under way, too."""
    policy.write(notes="version: 1\nplugin: notes\nconfig: {stopped: old}\n")
    await served.reloader.reload(ADMIN)
    served.plane.runtime.enter()
    policy.write(notes="version: 1\nplugin: notes\n")
    await served.reloader.reload(ADMIN)
    await served.reloader.close()
    assert (served.settings.data_dir / "old").exists()


async def test_whoever_asks_meanwhile_shares_the_next_one(served: Served, policy: Policy) -> None:
    """Who asks while a reload runs may have changed something since that began to read, so it gets a fresh one."""
    policy.say("first")
    first = asyncio.create_task(served.reloader.reload("admin:first"))
    await asyncio.sleep(0.01)
    policy.say("second")
    others = await asyncio.gather(*(served.reloader.reload(f"admin:k{number}") for number in range(5)))
    assert (await first).by == "admin:first"
    assert {attempt.by for attempt in others} == {"admin:k0"}
    assert others[0].new == served.hash
    assert len(served.notes()) <= 3


async def test_somebody_who_does_not_wait_ends_nothing(served: Served, policy: Policy) -> None:
    """A caller that leaves does not end the reload for others."""
    policy.say("new")
    leaving = asyncio.create_task(served.reloader.reload(ADMIN))
    await asyncio.sleep(0.01)
    leaving.cancel()
    await until(lambda: served.reloader.last)
    assert served.reloader.last is not None
    assert served.reloader.last.result == "reloaded"


class Busy(Prover):
    """Somebody changes the policy whenever it has been proved."""

    def __init__(self, policy: Policy, times: int) -> None:
        super().__init__()
        self.policy = policy
        self.times = times

    async def prove(self, asked: Asked) -> Proof:
        proof = await super().prove(asked)
        if self.times:
            self.times -= 1
            self.policy.say(f"other-{self.times}")
        return proof


@pytest.mark.parametrize(("times", "result", "reason"), [(2, "reloaded", ""), (3, "refused", "changing")])
async def test_what_was_proved_is_what_serves(
    settings: Settings, policy: Policy, times: int, result: str, reason: str
) -> None:
    """Files that change after they were proved are proved again, and after some times nobody tries any more."""
    served = Served(settings, busy := Busy(policy, times))
    await served.first.start()
    await served.reloader.begin()
    policy.say("first")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.result, attempt.reason) == (result, reason)
    if result == "reloaded":
        assert served.word == "other-0"
    await served.reloader.close()
    await served.plane.runtime.stop()
    assert busy.pid is None


async def test_what_was_installed_meanwhile_needs_a_restart(
    served: Served, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process finds another plugin than the one that this process imported: what was proved is not what would run."""
    (tmp_path / "odd_plugins.py").write_text(MODULE.replace('name="odd", version="1"', 'name="odd", version="2"'))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
    policy.say("new")
    attempt = await served.reloader.reload(ADMIN)
    assert attempt.reason == "differs"
    assert attempt.diagnostics[0].fix == "restart the gateway"


async def test_only_signed_policies(settings: Settings, policy: Policy, tmp_path: Path, prover: Prover) -> None:
    """Where signatures are required, neither the start nor a reload takes anything else."""
    private = Ed25519PrivateKey.generate()
    save_key(private, tmp_path / "signer.pem")
    settings = msgspec.structs.replace(settings, require_signed=(public_path(tmp_path / "signer.pem"),))

    def seal() -> None:
        (policy.folder / SIGNATURE).write_bytes(sign(read_folder(policy.folder).files, [], private).content)

    seal()
    served = Served(settings, prover)
    await served.first.start()
    await served.reloader.begin()
    policy.say("unsigned")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.reason, [one.code for one in attempt.diagnostics]) == ("signature", ["bundle.signature"])
    seal()
    assert (await served.reloader.reload(ADMIN)).result == "reloaded"
    (policy.folder / SIGNATURE).unlink()
    policy.say("again")
    attempt = await served.reloader.reload(ADMIN)
    assert (attempt.reason, [one.code for one in attempt.diagnostics]) == ("signature", ["bundle.unsigned"])
    await served.reloader.close()
    await served.plane.runtime.stop()


def test_every_reason_is_documented() -> None:
    """Operators find each reason in docs/policy-reload.md."""
    page = (DOCS / "policy-reload.md").read_text()
    assert all(f"| `{reason}` |" in page for reason in get_args(Reason))
