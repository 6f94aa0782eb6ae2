"""A small ledger's records, as readers get them, and what the tests ask of a report. As a program it makes the golden files:

python -m tests.plugins.audit.report.evidence
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yumen_plugins.audit.report import FRAMEWORKS, Verification, build, gather

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 12, 3, 8, tzinfo=UTC).timestamp()
MONTHS = ("2026-11", "2026-11")
HOLDS = Verification(
    ok=True,
    keys=["yumen.example+8d0eb8ae+AWjq"],
    logs=["8d0eb8ae/keep-183d 12 3f1c", "8d0eb8ae/forever 5 9ab0"],
    checked_at="2026-12-03T07:59:58Z",
)
BROKEN = Verification(
    ok=False,
    integrity=["8d0eb8ae/keep-183d:41: changed"],
    completeness=["1b2c3d4e/forever: 数据缺失 (missing)"],
    keys=HOLDS.keys,
    logs=HOLDS.logs,
    checked_at=HOLDS.checked_at,
)
CITES = {"cn.*": ["PIPL Art. 51(3) (加密、去标识化等安全技术措施)"], "secret.*": ["PIPL Art. 9 (安全)"]}
Record = dict[str, Any]


def finding(rule: str, category: str = "pii", shadow: bool = False) -> Record:
    """Something that a rule noticed."""
    return {"rule": rule, "category": category, "path": "messages[0].content", "start": 0, "end": 1, "shadow": shadow}


def call(decision: str, reason: str, shadow: bool = False, plugin: str = "anomaly") -> Record:
    """A call of a hook that decided something."""
    return {"plugin": plugin, "hook": "on_request", "decision": decision, "reason": reason, "shadow": shadow}


def exchange(day: int, number: int, **members: Any) -> Record:
    """An exchange of November 2026."""
    record: Record = {
        "kind": "exchange",
        "time": f"2026-11-{day:02}T08:00:{number:02}.000000Z",
        "id": f"{day:02}{number:030x}",
        "tenant": "default",
        "route": "chat",
        "policy": "9565ce19b647",
        "plugins": {"audit": "2.0.0"},
        "accept_raw": "",
        "outcome": "ok",
        "findings": [],
        "trace": [],
        "egress": "local",
        "sent_form": "masked",
        "request": [{"path": "messages[0].content", "kind": "message", "chars": 4, "digest": "hmac:00"}],
    }
    return record | members


def operation(day: int, done: str, actor: str = "admin:k1", **details: str) -> Record:
    """Something that was done to the gateway."""
    time = f"2026-11-{day:02}T09:00:00.000000Z"
    return {"kind": "operation", "time": time, "operation": done, "actor": actor, "details": details}


def records() -> Iterator[tuple[str, Record]]:
    """A month of two logs of one writer."""
    kept, forever = "8d0eb8ae/keep-183d", "8d0eb8ae/forever"
    told = [
        exchange(1, 1, findings=[finding("cn.mobile"), finding("cn.id_card")]),
        exchange(1, 2, tenant="甲公司", findings=[finding("cn.mobile"), finding("email", shadow=True)]),
        exchange(
            2, 3, outcome="policy_blocked", trace=[call("block", "injection.cn")], egress="", policy="aaaa0000bbbb"
        ),
        exchange(2, 4, egress="remote", trace=[call("block", "burst", shadow=True)]),
        exchange(3, 5, egress="remote", sent_form="raw", accept_raw="合同允许 (contract 7)"),
        exchange(3, 6, outcome="rate_limited", trace=[call("block", "requests_per_minute", plugin="limits")]),
        exchange(3, 7, outcome="plugin_fault", trace=[call("fault", "TimeoutError", plugin="anonymize")]),
        exchange(4, 8, findings=[finding("secret.password", "secret")], request=[{"kind": "message", "text": "好"}]),
    ]
    sent = [{"kind": "intent", "time": told[3]["time"], "id": told[3]["id"], "egress": "remote"}]
    sent += [{"kind": "intent", "time": told[4]["time"], "id": "ff" * 16, "egress": "remote"}]
    yield kept, {"kind": "start", "time": "2026-11-01T07:59:59.000000Z"}
    yield from ((kept, record) for record in [*told[:4], *sent, *told[4:]])
    yield kept, {"kind": "stop", "time": "2026-11-04T09:00:00.000000Z"}
    yield forever, {"kind": "start", "time": "2026-11-01T07:59:59.000000Z"}
    yield forever, operation(1, "policy_loaded", "start", name="pipl", new="9565ce19b647")
    yield forever, operation(2, "policy_reloaded", "watch", old="9565ce19b647", new="aaaa0000bbbb")
    yield forever, operation(3, "subject_erased", subject="ab" * 16, tenant="甲公司")
    yield forever, operation(3, "reveal", type="CN_MOBILE")


def golden(framework: str) -> str:
    """The report that is compared with a file."""
    command = f"yumen audit report --framework {framework} --out report.html"
    return build(framework, gather(records()), HOLDS, command=command, cites=CITES, now=NOW)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in FRAMEWORKS:
        (GOLDEN / f"{name}.html").write_text(golden(name), encoding="utf-8")
