"""What a pseudonym stands for, told to an operator whose key has the right to know, and put on record before it is."""

from __future__ import annotations

from collections.abc import Mapping

from yumen import AdminCall, Host
from yumen_plugins.anonymize.detector import label_of
from yumen_plugins.anonymize.pseudonym import TOKEN
from yumen_plugins.anonymize.vault import Vault

ARGUMENTS = ("app", "session", "subject", "tenant", "token")


async def reveal(call: AdminCall, vault: Vault, host: Host, restores: frozenset[str]) -> Mapping[str, str]:
    """The value of `token`, a pseudonym as it is written, under `value`.

    Arguments of the call: `tenant`; `session` as `x-session-id` named it, with its `app`; `subject` as requests name it.
    `restores` are the rules whose values may be given back. Whether it was found or not, it is on record that it was asked
    for, with digests in the place of session and subject, and never the value.

    Errors: PermissionError without the right; ValueError; LookupError where it is not, or no longer, known; those of the
    store and of the ledger.
    """
    if not call.may("reveal"):
        raise PermissionError("this key may not reveal values; an administrator makes one that may")
    said = call.arguments
    if unknown := sorted(set(said) - set(ARGUMENTS)):
        raise ValueError(f"`{unknown[0]}` is not asked for; known here: {', '.join(ARGUMENTS)}")
    tenant, app, named = said.get("tenant", ""), said.get("app", ""), said.get("session", "")
    match = TOKEN.fullmatch(said.get("token", ""))
    if not tenant or match is None:
        raise ValueError("name the `tenant`, and the pseudonym as it is written (<CN_MOBILE_2w9ah9yqpd>) as `token`")
    if bool(named) != bool(app):
        raise ValueError("a `session` is one of an `app`: name both or neither")
    session = host.session_id(tenant, app, named) if named else ""
    subject = host.subject_id(tenant, said["subject"]) if said.get("subject") else ""
    label, code = match[1].upper(), match[2]
    entry = (await vault.known(tenant, session, subject)).get(code)
    # The vault may hold what an earlier policy let restore.
    known = entry is not None and entry.label == label and label in {label_of(rule) for rule in restores}
    details = {"tenant": tenant, "label": label, "code": code, "found": "yes" if known else "no"}
    details |= {name: digest for name, digest in (("session", session), ("subject", subject)) if digest}
    await call.record(**details)
    if entry is None or not known:
        raise LookupError("nothing is known of this pseudonym there")
    return {"value": entry.written}
