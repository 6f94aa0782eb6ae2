"""What operators see and do at `/admin/audit`: search, export, erase, and legal holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from yumen import AdminCall, Download, Host, Operation
from yumen_plugins.audit.companions import Companions
from yumen_plugins.audit.formats import LINES, MEDIA
from yumen_plugins.audit.index import Query
from yumen_plugins.audit.subjects import Erasure, Held, Hold, Keyring, KeyringUnavailable
from yumen_plugins.audit.writer import LedgerUnavailable

# So many lines are made in a thread before they are sent.
LINES_AT_ONCE = 200
# Whole records are so large that a page holds no more of them.
FULL_MAX = 500
# How long a page waits for the index, which may be being made anew.
CATCH_UP_S = 3.0
YES = "true"


class Operating:
    """See the module's docstring. `note` records an operation, durably, and returns its receipt."""

    def __init__(
        self, host: Host, keys: Keyring, companions: Companions, note: Callable[[Operation], Awaitable[str]]
    ) -> None:
        self._host = host
        self._keys = keys
        self._companions = companions
        self._note = note
        self._run = companions.threads.run

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any] | Download:
        """Records by the filters of `Query`, a page or, with `format`, all of them as a file; `full=true` shows them whole.

        Error: ValueError, in a sentence.
        """
        asked = dict(query)
        form, full = asked.pop("format", ""), asked.pop("full", "") == YES
        parsed = Query.parse(asked, self._host.now)
        if full and parsed.limit > FULL_MAX:
            raise ValueError(f"a page holds {FULL_MAX} whole records at most; set limit, and go on with cursor")
        if form and form not in LINES:
            raise ValueError(f"there is no such format; the known ones are {', '.join(LINES)}")
        search, threads = self._companions.search, self._companions.threads
        if form:
            return Download(MEDIA[form], self._lines(parsed, form), f"ledger.{form}")
        complete = await threads.run(search.catch_up_within, CATCH_UP_S)
        page = await threads.run(search.page, parsed)
        records = [msgspec.to_builtins(row) for row in page.rows]
        if full:
            found = await threads.run(lambda: [search.record(row.log, row.seq) for row in page.rows])
            records = [{"log": row.log, **record} for row, record in zip(page.rows, found, strict=True) if record]
        return {
            "records": records,
            "cursor": page.cursor,
            "complete": complete,
            "sinks": msgspec.to_builtins(self._companions.sinks.status()),
            "witnesses": msgspec.to_builtins([one.status for one in self._companions.witnesses]),
            "holds": [_shown(one) for one in await threads.run(self._keys.holds)],
        }

    async def _lines(self, query: Query, form: str) -> AsyncIterator[bytes]:
        """The lines of all records of a query, made in a thread and sent in pieces; first the index gets all there is."""
        search, threads = self._companions.search, self._companions.threads
        while await threads.run(search.catch_up_some):
            pass
        records = search.records(query)
        line = LINES[form]

        def piece() -> bytes:
            return b"".join(line(record) + b"\n" for _, (_, record) in zip(range(LINES_AT_ONCE), records, strict=False))

        while content := await threads.run(piece):
            yield content

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """`erase`, `hold` or `release`. Errors: ValueError; LookupError; `LedgerUnavailable`.

        What was begun is done, and recorded, also where the operator does not wait for it.
        """
        return await asyncio.shield(self._companions.keep(self._do(call)))

    async def _do(self, call: AdminCall) -> Mapping[str, Any]:
        actions = {"erase": self._erase, "hold": self._hold, "release": self._release}
        if call.action not in actions:
            raise ValueError(f"the actions are {', '.join(actions)}")
        try:
            return await actions[call.action](call)
        except KeyringUnavailable as error:
            self._host.log.error("subjects_unavailable", error=str(error))
            raise LedgerUnavailable("the keys of subjects cannot be used") from None

    async def _erase(self, call: AdminCall) -> Mapping[str, Any]:
        tenant, subject, everybody = self._whom(call)
        try:
            erasure = await self._run(self._keys.erase, tenant, subject, call.actor, whole_tenant=everybody)
        except Held as error:
            await self._did(call, "erasure_refused", tenant, subject, hold=error.hold_id)
            raise ValueError(str(error)) from None
        try:
            receipt = await self._note(erased(erasure, call.actor, self._host.now()))
        finally:
            # The key is gone, whether that could be recorded or not.
            forgotten = await self._companions.forget(erasure)
        return {"erased": erasure.erased, "subject": subject, "forgotten": forgotten, "receipt": receipt}

    async def _hold(self, call: AdminCall) -> Mapping[str, Any]:
        tenant, subject, _ = self._whom(call)
        reason, until = call.arguments.get("reason", ""), call.arguments.get("until", "")
        if not reason:
            raise ValueError("say the reason of the hold")
        moment = Query.parse({"until": until}, self._host.now).until_us if until else None
        seconds = None if moment is None else moment / 1e6
        hold = await self._run(self._keys.hold, tenant, subject, reason, call.actor, seconds)
        receipt = await self._did(call, "hold_set", tenant, subject, hold=hold)
        return {"hold": hold, "receipt": receipt}

    async def _release(self, call: AdminCall) -> Mapping[str, Any]:
        hold = await self._run(self._keys.release, call.arguments.get("hold", ""), call.actor)
        return {
            "hold": hold.id,
            "receipt": await self._did(call, "hold_released", hold.tenant, hold.subject, hold=hold.id),
        }

    async def _did(self, call: AdminCall, kind: str, tenant: str, subject: str, **details: str) -> str:
        about = {"tenant": tenant, "subject": subject or "*", **details}
        return await self._note(Operation(kind=kind, actor=call.actor, at=self._host.now(), details=about))

    def _whom(self, call: AdminCall) -> tuple[str, str, bool]:
        """The tenant, the subject's digest, and whether everybody of the tenant is meant. Error: ValueError."""
        arguments = call.arguments
        tenant, named = arguments.get("tenant", ""), arguments.get("subject", "")
        everybody = arguments.get("everybody", "") == YES
        if not tenant or bool(named) == everybody:
            raise ValueError("say the tenant, and either the subject, as requests name it, or everybody: true")
        return tenant, self._host.subject_id(tenant, named) if named else "", everybody


def erased(erasure: Erasure, actor: str, now: float) -> Operation:
    """The operation that says that keys were destroyed."""
    details = {
        "erasure": str(erasure.seq),
        "tenant": erasure.tenant,
        "subject": "*" if erasure.whole_tenant else erasure.subject,
        "keys": str(erasure.erased),
        "subjects": str(erasure.subjects),
    }
    return Operation(kind="subject_erased", actor=actor, at=now, details=details)


def _shown(hold: Hold) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(hold)
    return shown


__all__ = ["Operating", "erased"]
