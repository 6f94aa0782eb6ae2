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
    Principal,
    Reply,
    Respond,
    Text,
    Trace,
    Usage,
)
from yumen.plugin import Channel, Host, Manifest, MaskingFilter, NoConfig, Plugin, Store, StreamFilter
from yumen.screen import display
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
    "EngineRequest",
    "Events",
    "Exchange",
    "Finding",
    "Hmac",
    "Host",
    "Manifest",
    "MaskingFilter",
    "Message",
    "Native",
    "NoConfig",
    "Plugin",
    "Principal",
    "Reply",
    "Respond",
    "Secret",
    "Settings",
    "Store",
    "StreamFilter",
    "Text",
    "Trace",
    "Unsupported",
    "Usage",
    "display",
]
