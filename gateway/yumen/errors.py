"""What can go wrong, and what the caller of the data plane is told about it.

A *problem* is the reply a client gets: a stable code, a status and a sentence that never holds payload text or the
inner detail of a rule. A *diagnostic* is one line for the author of a policy file.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Code = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "payload_too_large",
    "unsupported_payload",
    "policy_blocked",
    "rate_limited",
    "plugin_fault",
    "engine_unavailable",
    "engine_timeout",
    "ledger_unavailable",
]

STATUS: dict[str, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "policy_blocked": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "payload_too_large": 413,
    "unsupported_payload": 422,
    "rate_limited": 429,
    "plugin_fault": 502,
    "engine_unavailable": 502,
    "ledger_unavailable": 503,
    "engine_timeout": 504,
}

SENTENCES: dict[str, str] = {
    "bad_request": "The request is not what this path takes.",
    "unauthorized": "This key may not do that.",
    "forbidden": "This key has not the right to do that.",
    "not_found": "There is nothing at this path.",
    "method_not_allowed": "This path does not take this method.",
    "payload_too_large": "The request is larger than this gateway takes.",
    "policy_blocked": "The policy of this gateway does not let this exchange pass.",
    "rate_limited": "Too much traffic for this key; try again later.",
    "plugin_fault": "A plugin of this gateway failed, and its policy is to stop the exchange then.",
    "engine_unavailable": "The engine behind this gateway could not be reached or did not answer properly.",
    "engine_timeout": "The engine behind this gateway did not answer in time.",
    "ledger_unavailable": "The audit ledger cannot be written, so nothing may pass.",
    "unsupported_payload": "A plugin of this gateway cannot read this payload, and its policy is to reject it then.",
}


class Problem(Exception):
    """An exchange that ends with an error reply.

    Arguments: `code`, one of `Code`; `message`, the sentence for the caller (left out: the code's own sentence);
    `param`, the field it is about, as a path; `retry_after_s`, seconds; `status`, only where it differs from `STATUS`.
    """

    def __init__(
        self,
        code: Code,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        self.code = code
        self.message = message or SENTENCES[code]
        self.param = param
        self.retry_after_s = retry_after_s
        self.status = status or STATUS[code]
        super().__init__(self.message)


class Unsupported(Exception):
    """Raised by a plugin for a payload it cannot read; the core then follows the instance's `on_unsupported`.

    The argument says what could not be read, as a kind and a place, never as text of the payload.
    """


class RaisedElsewhere(Exception):
    """Stands for an error of another process, whose class is not there; a subclass has the name of what it was."""


class CannotStart(Exception):
    """Raised where starting would be wrong; the message says what is missing and what to do about it."""


def words_of(error: BaseException) -> str:
    """What an error says of itself; empty where that fails too, as it may with one that somebody else has made."""
    try:
        return str(error)
    except BaseException:
        return ""


class Diagnostic(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong in a policy file: printed as `file:line:column: code: what; what to do`."""

    file: str
    line: int
    column: int
    code: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}: {self.what}; {self.fix}"


class PolicyError(Exception):
    """A bundle that was refused, with every reason at once, sorted by place."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = sorted(set(diagnostics))
        super().__init__("\n".join(map(str, self.diagnostics)))
