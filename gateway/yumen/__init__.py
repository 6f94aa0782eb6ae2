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
    CacheState,
    Decision,
    Exchange,
    Finding,
    Mode,
    Principal,
    Reply,
    Respond,
    Text,
    Trace,
    Usage,
)
from yumen.kept import Kept
from yumen.ledger import LedgerReader, Progress
from yumen.operators import AdminCall, Download, Erasure, Operation, Right
from yumen.plugin import (
    Ask,
    Channel,
    EngineRef,
    Host,
    Lint,
    Manifest,
    MaskingFilter,
    Metrics,
    NoConfig,
    Plugin,
    Rule,
    StreamFilter,
)
from yumen.screen import display, explain_record, rule_cites
from yumen.settings import Secret, Settings
from yumen.state import Change, Counters, Drop, Entry, Push, Put, Reading, Scope, Series, Store
from yumen.store import StoreError
from yumen.subject import session_id, subject_id

__all__ = [
    "AdminCall",
    "Allow",
    "Answer",
    "Ask",
    "Block",
    "CacheState",
    "CannotStart",
    "Change",
    "Channel",
    "Counters",
    "Decision",
    "Delta",
    "Download",
    "Drop",
    "Engine",
    "EngineError",
    "EngineManifest",
    "EngineRef",
    "EngineRequest",
    "Entry",
    "Erasure",
    "Events",
    "Exchange",
    "Finding",
    "Hmac",
    "Host",
    "Kept",
    "LedgerReader",
    "Lint",
    "Manifest",
    "MaskingFilter",
    "Message",
    "Metrics",
    "Mode",
    "Native",
    "NoConfig",
    "Operation",
    "Plugin",
    "Principal",
    "Progress",
    "Push",
    "Put",
    "Reading",
    "Reply",
    "Respond",
    "Right",
    "Rule",
    "Scope",
    "Secret",
    "Series",
    "Settings",
    "Store",
    "StoreError",
    "StreamFilter",
    "Text",
    "Trace",
    "Unsupported",
    "Usage",
    "display",
    "explain_record",
    "rule_cites",
    "session_id",
    "subject_id",
]
