"""Policies that change under a running gateway, end to end: files are edited, streams run, and operators ask."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import ledgers
from tests.reload.live import FILES, LIMITS, PHONE, Load, admin, ask, reload, shown, wait, write
from tests.reload.odd import Policy, install
from tests.serving import ADMIN_KEY, PROGRAM, Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What the starter bundle does, with limits that nobody reaches."""
    folder = tmp_path / "策略"
    write(folder, **FILES)
    return folder


@pytest.fixture
def gateway(tmp_path: Path, bundle: Path, upstream: Upstream) -> Iterator[Gateway]:
    """The bundle in front of a recording upstream."""
    upstream.clear()
    made = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle)).start()
    yield made
    made.stop()


def operations(gateway: Gateway) -> list[dict[str, Any]]:
    """What the ledger knows of operations, in the order of its writers."""
    return [record for record in ledgers.records(gateway.data_dir) if record["kind"] == "operation"]


def verified(gateway: Gateway) -> bool:
    """Whether the ledger holds."""
    result = gateway.yumen("audit", "verify")
    assert result.returncode in (0, 2), result.stderr
    return result.returncode == 0


def test_an_edit_under_load(gateway: Gateway, bundle: Path) -> None:
    """Files are edited while clients ask: the new policy serves within seconds, no request fails, and it is on record."""
    first = shown(gateway)["hash"]
    with Load(gateway) as load:
        hashes = [first]
        for number in range(3):
            wait(lambda: load.hashes.get(hashes[-1][:12], 0) > 20)
            (bundle / "limits.yaml").write_text(LIMITS % (2000 + number))
            wait(lambda: shown(gateway)["hash"] != hashes[-1])
            hashes.append(shown(gateway)["hash"])
        wait(lambda: load.hashes.get(hashes[-1][:12], 0) > 20)
    assert load.wrong == []
    assert set(load.hashes) == {one[:12] for one in hashes}
    view = shown(gateway)
    assert (view["loaded_by"], view["watch"], view["last"]["result"]) == ("watch", True, "reloaded")
    gateway.stop()
    loaded, *reloaded = operations(gateway)
    assert (loaded["operation"], loaded["actor"], loaded["details"]["new"]) == ("policy_loaded", "start", first)
    assert [(one["operation"], one["actor"]) for one in reloaded] == [("policy_reloaded", "watch")] * 3
    changes = [(one["details"]["old"], one["details"]["new"]) for one in reloaded]
    assert changes == list(itertools.pairwise(hashes))
    assert len(ledgers.writers(gateway.data_dir)) == 1, "a ledger that did not change has one writer"
    assert verified(gateway)


def test_what_is_wrong_is_shown_where_it_stands(gateway: Gateway, bundle: Path) -> None:
    """A file that does not hold changes nothing: the gateway stays ready, and whoever looks finds file, line and column."""
    before = shown(gateway)
    (bundle / "limits.yaml").write_text("version: 1\nplugin: limits\nconfig:\n  requests_per_minuet: 7\n")
    wait(lambda: shown(gateway)["last"])
    view = shown(gateway)
    assert (view["hash"], view["loaded_at"]) == (before["hash"], before["loaded_at"])
    assert (view["last"]["result"], view["last"]["reason"]) == ("refused", "policy")
    (one,) = view["last"]["diagnostics"]
    assert (one["file"], one["line"], one["column"]) == (str(bundle / "limits.yaml"), 4, 3)
    assert one["fix"] == "did you mean `requests_per_minute`?"
    assert gateway.get("/readyz")[0] == 200
    metrics = gateway.get("/metrics")[1]
    assert 'yumen_policy_reload_failed_total{reason="policy"} 1.0' in metrics
    assert "yumen_policy_reload_ok 0.0" in metrics
    assert f'yumen_policy{{policy="{before["hash"][:12]}"}} 1.0' in metrics
    assert f"{bundle}/limits.yaml:4:3: policy.unknown-key" in gateway.log
    status, body = reload(gateway)
    assert (status, body["diagnostics"]) == (409, view["last"]["diagnostics"])
    (bundle / "limits.yaml").write_text(LIMITS % 7)
    wait(lambda: shown(gateway)["hash"] != before["hash"])
    assert "yumen_policy_reload_ok 1.0" in gateway.get("/metrics")[1]


def test_a_case_that_fails(gateway: Gateway, bundle: Path) -> None:
    """A bundle's own tests decide, and neither the log nor the answer shows what stands in them."""
    before = shown(gateway)["hash"]
    (bundle / "anonymize.yaml").write_text(FILES["anonymize"].replace("[cn.mobile, email]", "[email]"))
    status, body = reload(gateway)
    assert (status, body["reason"], shown(gateway)["hash"]) == (409, "tests", before)
    assert [one["code"] for one in body["diagnostics"]] == ["reload.tests"]
    assert body["diagnostics"][0]["file"] == str(bundle / "anonymize.yaml")
    assert body["diagnostics"][0]["line"] == 6
    assert "手机号码 never reach the engine" in body["diagnostics"][0]["what"]
    assert "forwarded.excludes" in body["diagnostics"][0]["what"]
    # What comes before is the greeting, with a request to copy.
    for text in (json.dumps(body, ensure_ascii=False), gateway.log.partition('"event":"started"')[2]):
        assert "13812345678" not in text
        assert "帮我查快递" not in text


@pytest.mark.parametrize("name", ["limits.yaml", "audit.yaml"])
def test_a_stream_keeps_its_policy(gateway: Gateway, bundle: Path, name: str) -> None:
    """A stream that began before a reload ends under its policy, ledger included, while others are served by the new one."""
    before = shown(gateway)["hash"]
    slow = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    reply = ask(slow, gateway, model="echo+piece-1+delay-150", stream=True)
    begun = reply.read(64)
    changed = {"limits.yaml": LIMITS % 9, "audit.yaml": "version: 1\nplugin: audit\nconfig: {texts: digest}\n"}
    (bundle / name).write_text(changed[name])
    status, body = reload(gateway)
    assert (status, body["result"], body["old"]) == (200, "reloaded", before)
    other = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    quick = ask(other, gateway)
    assert quick.headers["x-policy-hash"] == body["new"][:12]
    assert PHONE.encode() in quick.read()
    rest = begun + reply.read()
    assert reply.headers["x-policy-hash"] == before[:12]
    assert rest.endswith(b"data: [DONE]\n\n")
    said = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in rest.decode().split("\n\n")
                   if line.startswith("data: {"))  # fmt: skip
    assert said == f"我的电话是{PHONE}"
    slow.close()
    other.close()
    gateway.stop()
    assert verified(gateway)
    receipts = [reply.headers["x-audit-receipt"], quick.headers["x-audit-receipt"]]
    assert all(receipt.encode() in gateway.ledger() for receipt in receipts)
    writers = ledgers.writers(gateway.data_dir)
    assert len(writers) == (2 if name == "audit.yaml" else 1)
    reloads = [one for one in operations(gateway) if one["operation"] == "policy_reloaded"]
    assert len(reloads) == len(writers), "each writer says why another follows it"
    assert all(one["actor"].startswith("admin:k") for one in reloads)


@pytest.mark.parametrize(
    ("method", "path", "key", "status", "code"),
    [
        ("POST", "/admin/policy/reload", "", 401, "unauthorized"),
        ("POST", "/admin/policy/reload", "app", 401, "unauthorized"),
        ("POST", "/admin/policy/reload", "no-key-of-anybody", 401, "unauthorized"),
        ("GET", "/admin/policy", "", 401, "unauthorized"),
        ("GET", "/admin/policy", "app", 401, "unauthorized"),
        ("GET", "/admin/openapi.json", "", 401, "unauthorized"),
        ("GET", "/admin/openapi.json", "app", 401, "unauthorized"),
        ("GET", "/admin", "app", 401, "unauthorized"),
        ("GET", "/admin/policy/reload", "admin", 405, "method_not_allowed"),
        ("DELETE", "/admin/policy", "admin", 405, "method_not_allowed"),
        ("GET", "/admin/nothing", "admin", 404, "not_found"),
    ],
)
def test_who_may_ask_what(embedded: Gateway, method: str, path: str, key: str, status: int, code: str) -> None:
    """The control plane is for admin keys alone, and refuses in the words of all other paths."""
    used = {"app": embedded.key, "admin": ADMIN_KEY}.get(key, key)
    answered, body = admin(embedded, method, path, used)
    assert (answered, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"message", "type", "code", "param"}


def test_the_description_of_the_control_plane(embedded: Gateway) -> None:
    """Holders of an admin key get its description, in which every path of it stands."""
    status, body = admin(embedded, "GET", "/admin/openapi.json")
    assert status == 200
    assert {"/admin/policy", "/admin/policy/reload", "/readyz"} <= set(body["paths"])


def test_two_workers(tmp_path: Path, bundle: Path, upstream: Upstream) -> None:
    """Whoever asks one worker has asked all of them, and each has its own record of it."""
    (bundle / "limits.yaml").write_text(LIMITS % 0)
    gateway = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle), YUMEN_WORKERS="2")
    gateway.env["YUMEN_WATCH"] = "0"
    gateway.start()
    try:
        # One that begins later begins with what it finds then.
        wait(lambda: both_serve(gateway))
        (bundle / "limits.yaml").write_text(LIMITS % 0 + "timeout_ms: 2000\n")
        time.sleep(2.5)
        assert "yumen_policy_reloads_total 0.0" in gateway.get("/metrics")[1]
        status, body = reload(gateway)
        assert (status, body["result"]) == (200, "reloaded")
        wait(lambda: f'yumen_policy{{policy="{body["new"][:12]}"}} 2.0' in gateway.get("/metrics")[1])
        assert f'yumen_policy{{policy="{body["old"][:12]}"}} 0.0' in gateway.get("/metrics")[1]
    finally:
        gateway.stop()
    records = [(one["operation"], one["actor"]) for one in operations(gateway)]
    assert records.count(("policy_loaded", "start")) == 2
    (actor,) = {actor for operation, actor in records if operation == "policy_reloaded"}
    assert records.count(("policy_reloaded", actor)) == 2
    assert actor.startswith("admin:k")


def both_serve(gateway: Gateway) -> bool:
    """Whether both workers have begun; while the second one does, a connection may be refused."""
    try:
        return re.search(r'yumen_policy\{policy="\w+"\} 2\.0', gateway.get("/metrics")[1]) is not None
    except OSError:
        return False


def proofs(gateway: Gateway) -> list[int]:
    """The processes that prove policies for this gateway."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command, environment = path.read_bytes(), path.with_name("environ").read_bytes()
        except OSError:
            continue
        if b"yumen.policy.prove" in command and str(gateway.data_dir).encode() in environment:
            found.append(int(path.parent.name))
    return found


def test_what_a_policy_does_to_the_process_that_proves_it(tmp_path: Path) -> None:
    """Plugins that loop or crash take nothing down; somebody who kills the process is answered; nothing is left over."""
    site = install(tmp_path / "site")
    policy = Policy(tmp_path / "policy")
    gateway = Gateway(tmp_path, YUMEN_POLICIES=str(policy.folder), PYTHONPATH=str(site), YUMEN_WATCH="0").start()
    try:
        before = shown(gateway)["hash"]
        with Load(gateway, clients=2) as load:
            for where in ("made", "start"):
                policy.say("x", **{where: "hang"})
                answers: list[tuple[int, Any]] = []
                asking = threading.Thread(target=lambda: answers.append(reload(gateway)))  # noqa: B023  # joined below
                asking.start()
                wait(lambda: proofs(gateway))
                time.sleep(1)
                os.kill(proofs(gateway)[0], signal.SIGKILL)
                asking.join()
                ((status, body),) = answers
                assert (status, body["reason"]) == (409, "crashed")
                assert "SIGKILL" in body["diagnostics"][0]["what"]
                policy.say("x", **{where: "crash"})
                assert reload(gateway)[1]["reason"] == "crashed"
            assert shown(gateway)["hash"] == before
            assert gateway.get("/readyz")[0] == 200
            policy.say("x", start="print")
            assert reload(gateway)[1]["result"] == "reloaded"
        assert load.wrong == []
        assert load.answered > 0
        assert PHONE not in gateway.log
        assert len(proofs(gateway)) == 1
    finally:
        gateway.stop()
    wait(lambda: not proofs(gateway))


def test_only_signed_policies(tmp_path: Path, bundle: Path, upstream: Upstream) -> None:
    """With `--require-signed` neither the start nor a reload takes what nobody has signed."""
    gateway = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle))
    key = tmp_path / "signer.pem"
    refused = subprocess.run(
        [PROGRAM, "serve", "--require-signed", str(tmp_path / "signer.pub.pem")],
        env=gateway.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "bundle.key" in refused.stderr
    assert gateway.yumen("policy", "sign", str(bundle), "--key", str(key), "--create-key").returncode == 0
    gateway.env["YUMEN_REQUIRE_SIGNED"] = str(tmp_path / "signer.pub.pem")
    gateway.start()
    try:
        before = shown(gateway)
        assert before["signed"] is True
        (bundle / "limits.yaml").write_text(LIMITS % 8)
        wait(lambda: shown(gateway)["last"])
        last = shown(gateway)["last"]
        assert (last["reason"], last["diagnostics"][0]["code"]) == ("signature", "bundle.signature")
        assert "limits.yaml was changed" in last["diagnostics"][0]["what"]
        assert gateway.yumen("policy", "sign", str(bundle), "--key", str(key)).returncode == 0
        wait(lambda: shown(gateway)["hash"] != before["hash"])
    finally:
        gateway.stop()
