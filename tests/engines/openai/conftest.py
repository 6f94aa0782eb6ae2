"""Fixtures of the `openai` engine's tests."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from structlog.typing import FilteringBoundLogger
from tests.upstream import Upstream

from yumen import EngineRequest, Native, Store
from yumen_engines.openai import OpenAI, OpenAIConfig
from yumen_engines.openai.stream import EventStream

KEY = "sk-the-engines-own-credential"
