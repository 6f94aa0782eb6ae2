"""Yumen, a compliance-first gateway for model traffic: the public names for plugin and engine authors.

Everything a plugin or engine needs is here; nothing else of this package is public.
"""

import os

# ONNX Runtime reports its use to its maker, by default since 1.32, unless this is set before it is first imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from yumen.digest import Hmac
from yumen.engine import (
    Delta,
    Engine,
    EngineError,
    EngineManifest,
    EngineRequest,
    Events,
    Message,
    Native,
    RequestRefused,
)
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
    Respond,
    Trace,
    Usage,
)
from yumen.kept import Kept
from yumen.ledger import LedgerReader, Progress
from yumen.openinference.elements import check_binary_elements, check_json_elements
from yumen.operators import AdminCall, Download, Erasure, Operation, Right
from yumen.plainfile import plain_content, plain_file
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
from yumen.tensors import (
    DATATYPES,
    Datatype,
    Metadata,
    Models,
    ModelState,
    Placement,
    Rows,
    Signature,
    Tensor,
    TensorModel,
    Tensors,
    TensorSpec,
)
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import ConfigWrong, Folder, RepositoryConfig, Single, Source, TensorConfig, VersionFiles
from yumen.text import Reply, Text, ToolCall

__all__ = [
    "DATATYPES",
    "AdminCall",
    "Allow",
    "Answer",
    "Ask",
    "Block",
    "CacheState",
    "CannotStart",
    "Change",
    "Channel",
    "ConfigWrong",
    "Counters",
    "Datatype",
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
    "Folder",
    "Hmac",
    "Host",
    "Kept",
    "LedgerReader",
    "Lint",
    "Manifest",
    "MaskingFilter",
    "Message",
    "Metadata",
    "Metrics",
    "Mode",
    "ModelState",
    "Models",
    "Native",
    "NoConfig",
    "Operation",
    "Placement",
    "Plugin",
    "Principal",
    "Progress",
    "Push",
    "Put",
    "Reading",
    "Reply",
    "RepositoryConfig",
    "RequestRefused",
    "Respond",
    "Right",
    "Rows",
    "Rule",
    "Scope",
    "Secret",
    "Series",
    "Settings",
    "Signature",
    "Single",
    "Source",
    "Store",
    "StoreError",
    "StreamFilter",
    "Tensor",
    "TensorConfig",
    "TensorEngine",
    "TensorModel",
    "TensorSpec",
    "Tensors",
    "Text",
    "ToolCall",
    "Trace",
    "Unsupported",
    "Usage",
    "VersionFiles",
    "check_binary_elements",
    "check_json_elements",
    "display",
    "explain_record",
    "plain_content",
    "plain_file",
    "rule_cites",
    "session_id",
    "subject_id",
]
