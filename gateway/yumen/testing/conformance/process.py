"""What belongs to the whole process, and so to the gateway and to all other plugins, stays as it is."""

from __future__ import annotations

import atexit
import gc
import inspect
import locale
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from yumen.testing.conformance.subject import Subject
from yumen.testing.conformance.verdict import check, none_of

FEW, STARTS = 4, 2
# Besides the gateway's own, modules whose functions everybody relies on.
MODULES = (
    "asyncio", "base64", "builtins", "hashlib", "hmac", "json", "logging", "msgspec", "os", "re", "secrets", "socket", "ssl",
    "structlog", "sys", "threading", "time",
)  # fmt: skip
STATUS = Path("/proc/self/status")
# pytest writes there where a test stands.
PYTEST = "PYTEST_CURRENT_TEST"


def state() -> Mapping[str, Any]:
    """What a process has one of, by a name for people."""
    named = {
        "the working directory": os.getcwd(),
        "the umask": _umask(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the recursion limit": sys.getrecursionlimit(),
        "the garbage collector": (gc.isenabled(), gc.get_threshold()),
        "the timeout of sockets": socket.getdefaulttimeout(),
        "sys.excepthook": sys.excepthook,
        "sys.unraisablehook": sys.unraisablehook,
        "threading.excepthook": threading.excepthook,
        "sys.stdout or sys.stderr": (sys.stdout, sys.stderr),
        "sys.path": list(sys.path),
        "the level or handlers of the root logger": (
            logging.root.level,
            list(logging.root.handlers),
            logging.root.disabled,
        ),
        "warnings.showwarning": warnings.showwarning,
    }
    named |= {f"the environment's {name}": value for name, value in os.environ.items() if name != PYTEST}
    return named | {
        f"what happens at {one.name}": signal.getsignal(one) for one in signal.valid_signals() if one in NAMED
    }


NAMED = set(signal.Signals)


def _umask() -> str:
    """As the machine tells it; to ask Python for it is to change it."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else ()
    return next((line for line in lines if line.startswith("Umask")), "")


def functions() -> dict[str, Any]:
    """Every function and class of the modules that are looked at, those of classes too."""
    found: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name in MODULES or name == "yumen" or name.startswith("yumen.")):
            for member, value in list(vars(module).items()):
                if inspect.isclass(value) and value.__module__ == name:
                    found |= {
                        f"{name}.{member}.{inner}": one for inner, one in list(vars(value).items()) if callable(one)
                    }
                if callable(value):
                    found[f"{name}.{member}"] = value
    return found


def _foreign(subject: Subject, now: Mapping[str, Any]) -> Iterator[str]:
    """Functions of others that are now the plugin's."""
    own = subject.plugin.__module__.partition(".")[0]
    for name, one in now.items():
        if own not in ("yumen", "builtins") and str(getattr(one, "__module__", "")).partition(".")[0] == own:
            yield name


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names under which something else stands afterwards."""
    return sorted(one for one in before.keys() | after.keys() if before.get(one) != after.get(one))


@check(
    "process.unchanged",
    "What belongs to the whole process stays as it is: signals, environment, umask, directory, limits, others' functions.",
    "Keep to the plugin's own objects, and pass settings to what it calls; the process is the gateway's, and everybody's.",
)
async def process_unchanged(subject: Subject) -> None:
    subject.look_into()
    known = functions()
    for example in subject.examples:
        stood = dict(state())
        try:
            async with subject.harness(example) as harness:
                for asked in subject.calls(example)[:FEW]:
                    await subject.ask(harness, asked)
                bundle = harness.bundle
            # What others import when they are first used, they may register once.
            before = atexit._ncallbacks()
            async with subject.without(example) as harness:
                for _ in range(STARTS):
                    runtime = await harness.start(bundle)
                    await runtime.stop()
            more = atexit._ncallbacks() - before
            none_of(changed(stood, state()), "it changes")
        finally:
            _put_back(stood)
        none_of(
            [f"{more} functions"] if more >= STARTS else [],
            "with each start it has more called at the end of the process",
        )

    now = functions()
    replaced = {name for name, one in known.items() if name in now and now[name] is not one}
    none_of(sorted({*replaced, *_foreign(subject, now)}), "it replaces")


def _put_back(stood: Mapping[str, Any]) -> None:
    """Have the rest of the checks, and whoever runs them, go on as before, as far as that is simple."""
    for one in signal.valid_signals():
        was = stood.get(f"what happens at {one.name}") if one in NAMED else None
        if was is not None and signal.getsignal(one) is not was:
            signal.signal(one, was)
    (gc.enable if stood["the garbage collector"][0] else gc.disable)()
    socket.setdefaulttimeout(stood["the timeout of sockets"])
    sys.setrecursionlimit(stood["the recursion limit"])
    os.chdir(stood["the working directory"])
    prefix = "the environment's "
    environment = {name.removeprefix(prefix): one for name, one in stood.items() if name.startswith(prefix)}
    for name in set(os.environ) - set(environment) - {PYTEST}:
        del os.environ[name]
    os.environ.update(environment)
    if stood["the umask"]:
        os.umask(int(stood["the umask"].split()[1], 8))
