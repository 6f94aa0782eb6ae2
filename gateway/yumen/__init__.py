"""Yumen, a compliance-first gateway for model traffic: the public names for plugin and engine authors.

Everything a plugin or engine needs is here; nothing else of this package is public.
"""

from yumen.digest import Hmac
from yumen.engine import Delta, Engine, EngineError, EngineManifest, EngineRequest, Events, Message, Native
from yumen.errors import CannotStart, Unsupported
from yumen.exchange import (
    Allow,
    Answer,
    Block,
    Decision,
    Exchange,
    Finding,
    Mode,
    Operation,
    Principal,
    Reply,
    Respond,
    Text,
    Trace,
    Usage,
)
from yumen.ledger import LedgerReader, Progress
from yumen.plugin import (
    Channel,
    EngineRef,
    Host,
    Lint,
    Manifest,
    MaskingFilter,
    NoConfig,
    Plugin,
    Rule,
    Store,
    StreamFilter,
)
from yumen.screen import display, explain_record
from yumen.settings import Secret, Settings

__all__ = [
    "Allow",
    "Answer",
    "Block",
    "CannotStart",
    "Channel",
    "Decision",
    "Delta",
    "Engine",
    "EngineError",
    "EngineManifest",
    "EngineRef",
    "EngineRequest",
    "Events",
    "Exchange",
    "Finding",
    "Hmac",
    "Host",
    "LedgerReader",
    "Lint",
    "Manifest",
    "MaskingFilter",
    "Message",
    "Mode",
    "Native",
    "NoConfig",
    "Operation",
    "Plugin",
    "Principal",
    "Progress",
    "Reply",
    "Respond",
    "Rule",
    "Secret",
    "Settings",
    "Store",
    "StreamFilter",
    "Text",
    "Trace",
    "Unsupported",
    "Usage",
    "display",
    "explain_record",
]
