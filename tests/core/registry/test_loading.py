"""Loading what entry points lead to: whatever is wrong there is a sentence that names it, and ends nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.core.registry.site import HOOK, Site, on_path, plugin

from yumen import importing, registry, telemetry
from yumen.registry import RegistryError

BAD_CONFIG = """
import msgspec, re
class Config(msgspec.Struct):
    word: {kind} = None
class It(Plugin[Config]):
    manifest = Manifest(name="bad", version="1")
    async def on_request(self, exchange): return None
"""


METACLASS = """
from yumen import Manifest, NoConfig, Plugin
class Meta(type(Plugin)):
    @property
    def manifest(cls):
        {act}
class It(Plugin[NoConfig], metaclass=Meta):
    async def on_request(self, exchange): return None
"""
ENDLESS = """
class Endless:
    def __call__(self): ...
    @property
    def __signature__(self): raise SystemExit(3)
"""


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3 (at "),
        ("raise KeyboardInterrupt", "cannot be imported: KeyboardInterrupt (at "),
        ("raise GeneratorExit", "cannot be imported: GeneratorExit (at "),
        ("class Panic(BaseException): pass\nraise Panic('恐慌;\\nno')", "cannot be imported: Panic: 恐慌, no (at "),
        ("import not_there", "cannot be imported: ModuleNotFoundError: No module named 'not_there' (at "),
        ("def broken(:", "cannot be imported: SyntaxError: "),
        ("", "cannot be imported: AttributeError: module 'acme_bad' has no attribute 'It'"),
        ("It = 3", "is not a subclass of Plugin"),
        ("class It: pass", "is not a subclass of Plugin"),
        ("from yumen import Plugin\nclass It(Plugin): pass", "has no manifest"),
        (plugin("other"), "calls itself otherwise in its manifest"),
        (plugin("bad", body="    def helper(self): ..."), "overrides no hook, so it would do nothing"),
        (
            plugin("bad", body=f"{HOOK}    def stream(self, exchange, channel): return None\n"),
            "has `stream` and no `on_response`, so plain replies would pass it by unseen; override both",
        ),
        (plugin("bad", manifest="admin='trace'"), "asks for a page of operators that the gateway has itself"),
        (plugin("bad", manifest="admin='../x'"), "names a page of operators that is not at most 64 lower-case letters"),
        (plugin("bad", manifest="admin='a/b'"), "names a page of operators that is not at most 64 lower-case letters"),
        (plugin("bad", manifest="admin='a' * 65"), "names a page of operators that is not at most 64 lower-case"),
        (plugin("bad", manifest="admin='猎鹰'"), "names a page of operators that is not at most 64 lower-case letters"),
        (plugin("bad").replace("1.0", r"1\x1b[31m\n"), "has no version in its manifest of at most 100 letters"),
        (plugin("bad").replace("'1.0'", "'1' * 101"), "has no version in its manifest of at most 100 letters"),
        (plugin("bad").replace("1.0", ""), "has no version in its manifest of at most 100 letters"),
        (METACLASS.format(act="raise SystemExit(3)"), "has no manifest"),
        (METACLASS.format(act="return Manifest(name='bad', version='1')"), "has no manifest"),
        (
            plugin("bad", body="    on_request = None\n"),
            "has `on_request` that is no method: write `async def on_request(",
        ),
        (
            plugin("bad", body="    __signature__ = 3\n    on_request = Endless()\n", more=ENDLESS),
            "cannot be looked at: ",
        ),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "cannot be imported: E (at "),
        (
            plugin("bad", manifest="api=2"),
            "is written for API version 2, and this gateway has version 1: install a newer",
        ),
        (plugin("bad", manifest="api=0"), "does not say in its manifest for which API version"),
        (plugin("bad", manifest="api=True"), "does not say in its manifest for which API version"),
        (plugin("bad", manifest="sees='maskd'"), "has a manifest that does not hold: ValidationError"),
        (plugin("bad", manifest="mutates='yes'"), "has a manifest that does not hold: ValidationError"),
        (plugin("bad") + BAD_CONFIG.format(kind="re.Pattern"), "has a configuration that cannot be read: TypeError"),
        (plugin("bad") + BAD_CONFIG.format(kind="list[int] | set[int]"), "has a configuration that cannot be read: "),
        (plugin("bad") + BAD_CONFIG.format(kind="'Nowhere'"), "has a configuration that cannot be read: NameError"),
        (
            plugin("bad") + "\nIt.config_type = dict",
            "has a configuration that cannot be read: it is not a msgspec Struct",
        ),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said(site: Site, source: str, says: str) -> None:
    """An error of one line names the plugin and its distribution, whatever the module does, and the process goes on."""
    site.add_plugin("bad", source or "# nothing\n")
    with pytest.raises(RegistryError) as caught:
        registry.load_plugin("bad")
    words = str(caught.value)
    assert words.startswith("plugin `bad` of acme-bad ")
    assert says in words
    assert "\n" not in words
    assert len(words) < 600
    if "(at " in says:
        assert f"{site.folder}/acme_bad/__init__.py:" in words


NO_ASYNC = "has `on_request` without `async`: write `async def on_request(self, exchange)`"
OTHER = "has `on_request` with other parameters than the gateway gives it: write `async def on_request(self, exchange)`"
RESPONSE = "    async def on_response(self, exchange): ...\n"
WRAPS = """
import functools
def kept(hook):
    @functools.wraps(hook)
    def wrapper(*given): return hook(*given)
    return wrapper
"""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    def on_request(self, exchange): return None\n", NO_ASYNC),
        ("    async def on_request(self): ...\n", OTHER),
        ("    async def on_request(self, exchange, more): ...\n", OTHER),
        ("    async def on_request(self, *, exchange): ...\n", OTHER),
        ("    @staticmethod\n    async def on_request(): ...\n", OTHER),
        ("    async def on_request(self, exchange): yield\n", "has `on_request` as an asynchronous generator"),
        (
            f"{RESPONSE}    async def stream(self, exchange, channel): ...\n",
            "has `stream` with `async`, which nobody awaits: write `def stream(self, exchange, channel)`",
        ),
        (f"{RESPONSE}    async def whole(self, exchange): return False\n", "has `whole` with `async`, which nobody"),
        (
            f"{HOOK}    async def rules(self): return []\n",
            "has `rules` with `async`, which nobody awaits: write `def rules(",
        ),
        (f"{HOOK}    def start(self, host): ...\n", "has `start` without `async`: write `async def start(self, host)`"),
        (f"{HOOK}    def stop(self): ...\n", "has `stop` without `async`: write `async def stop(self)`"),
        ("    async def on_request(self, exchange, more=None): ...\n", ""),
        ("    async def on_request(self, *given): ...\n", ""),
        ("    @staticmethod\n    async def on_request(exchange): ...\n", ""),
        ("    @classmethod\n    async def on_request(cls, exchange): ...\n", ""),
        ("    @kept\n    async def on_request(self, exchange): ...\n", ""),
        ("    @kept\n    def on_request(self, exchange): ...\n", NO_ASYNC),
    ],
)
def test_a_hook_is_what_the_gateway_calls(site: Site, body: str, says: str) -> None:
    """A hook that could not be awaited, or given what it is given, is refused with the line to write, and no other is."""
    site.add_plugin("bad", plugin("bad", body=body, more=WRAPS))
    if not says:
        assert registry.load_plugin("bad").manifest.name == "bad"
        return
    with pytest.raises(RegistryError) as caught:
        registry.load_plugin("bad")
    assert str(caught.value).startswith(f"plugin `bad` of acme-bad {says}")


def test_a_method_of_an_engine_too(site: Site) -> None:
    """An engine's method that could not be called is named as a plugin's is, and so is a version nobody can write."""
    head = "from yumen import Engine, EngineManifest, NoConfig\nclass It(Engine[NoConfig]):\n"
    line = "    manifest = EngineManifest(name='bad', version={!r})\n"
    files = {"acme_bad.py": head + line.format("1") + "    def generate(self, request): ...\n"}
    files["acme_old.py"] = (
        head + line.format("1 2").replace("bad", "old") + "    async def generate(self, request): ...\n"
    )
    site.add("acme-bad", files, "[yumen.engines]\nbad = acme_bad:It\nold = acme_old:It\n")
    with pytest.raises(
        RegistryError, match=r"engine `bad` of acme-bad has `generate` without `async`: write `async def gen"
    ):
        registry.load_engine("bad")
    with pytest.raises(RegistryError, match="engine `old` of acme-bad has no version in its manifest of at most 100"):
        registry.load_engine("old")


@pytest.mark.parametrize("points", [b"[yumen.plugins]\nb\xff = x:It\n", b"[yumen.plugins]\nodd\n"])
def test_a_distribution_that_cannot_be_read(site: Site, points: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose entry points are no text, or no lines of a name and a value, takes nothing from all others, and is named."""
    told: list[str] = []
    monkeypatch.setattr(registry, "warn", lambda event, sentence, **about: told.append(sentence))
    (site.add("acme-odd", {}) / "entry_points.txt").write_bytes(points)
    site.add_plugin("good")
    assert registry.load_plugin("good").manifest.name == "good"
    assert set(registry.names("engine")) >= {"faq", "openai"}
    assert told
    assert all(line.startswith(f"a distribution in {site.folder} cannot be read: ") for line in told)


def test_an_entry_point_of_no_form(site: Site) -> None:
    """A value that names no module is said where the plugin is named, and spoils no list."""
    site.add("acme-odd", {}, "[yumen.plugins]\nodd = :::;;\n")
    assert "odd" in registry.names("plugin")
    for ask in (registry.load_plugin, lambda name: registry.provenance("plugin", name)):
        with pytest.raises(RegistryError, match="plugin `odd` of acme-odd has an entry point that can lead nowhere"):
            ask("odd")


def test_an_entry_point_that_leads_to_nothing(site: Site) -> None:
    """A module that is not there is an error like any other, and so is an engine's."""
    site.add("acme-gone", {}, "[yumen.plugins]\ngone = acme_gone:It\n[yumen.engines]\ngone = acme_gone.x:It\n")
    with pytest.raises(RegistryError, match="plugin `gone` of acme-gone cannot be imported: ModuleNotFoundError"):
        registry.load_plugin("gone")
    with pytest.raises(RegistryError, match="engine `gone` of acme-gone cannot be imported: ModuleNotFoundError"):
        registry.load_engine("gone")


WAITS = "import pathlib, time\nwhile not pathlib.Path(__file__).with_name('go').exists(): time.sleep(0.01)\n"


def test_an_endless_import_ends_a_process_that_does_not_serve(site: Site) -> None:
    """Nobody waits for ever for a module: whoever starts hears which one it was, with exit 1 and no traceback."""
    site.add_plugin("endless", WAITS + plugin("endless"))
    code = (
        "from yumen import importing, registry\n"
        "importing.SLOW_S, importing.LIMIT_S = 0.05, 0.1\n"
        "registry.load_plugin('endless')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "yumen: plugin `endless` of acme-endless has been importing for 0.05 s",
        "yumen: plugin `endless` of acme-endless has not been imported after 0.1 s",
    ]


async def test_a_process_that_serves_is_never_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a loop, or in a thread beside one, an import that takes too long is logged, and everything else goes on."""
    monkeypatch.setattr(importing, "SLOW_S", 0.01)
    monkeypatch.setattr(importing, "LIMIT_S", 0.02)
    monkeypatch.setattr(telemetry, "configured", True)
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("ended"))
    site.add_plugin("late", WAITS + plugin("late"))
    with capture_logs() as logged:
        loading = asyncio.create_task(asyncio.to_thread(registry.load_plugin, "late"))
        while not logged:
            await asyncio.sleep(0.01)
        (site.folder / "acme_late" / "go").touch()
        assert (await loading).manifest.name == "late"
    assert logged == [
        {"event": "import_slow", "log_level": "warning", "what": "plugin `late` of acme-late", "seconds": 0.01}
    ]
    site.add_plugin("here", "import time\ntime.sleep(0.05)\n" + plugin("here"))
    assert registry.load_plugin("here").manifest.name == "here"


def test_it_is_imported_in_the_thread_that_asks(site: Site) -> None:
    """Native libraries that a thread has imported which is gone crash in forked processes; none is left behind either."""
    more = "import threading\nWHERE = threading.current_thread().name"
    site.add_plugin("where", plugin("where", more=more))
    registry.load_plugin("where")
    assert threading.current_thread().name == sys.modules["acme_where"].WHERE
    assert not [one.name for one in threading.enumerate() if one.name.startswith("import ")]


def test_a_slow_import_is_named_and_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits learns for which plugin; here it goes on as soon as that has been said."""
    told: list[str] = []

    def tell(event: str, sentence: str, **about: object) -> None:
        told.append(sentence)
        (site.folder / "acme_slow" / "go").touch()

    monkeypatch.setattr(importing, "SLOW_S", 0.05)
    monkeypatch.setattr(importing, "warn", tell)
    site.add_plugin("slow", WAITS + plugin("slow"))
    assert registry.load_plugin("slow").manifest.name == "slow"
    assert told == ["plugin `slow` of acme-slow has been importing for 0.05 s"]


def test_a_built_in_name_is_nobody_elses(site: Site) -> None:
    """Which of two wins is never silent: with a name that is built in, neither does, and the other one is named."""
    site.add("acme-audit", {"acme_audit.py": plugin("audit")}, "[yumen.plugins]\naudit = acme_audit:It\n")
    registry.load_plugin.cache_clear()
    with pytest.raises(
        RegistryError, match="acme-audit offers the plugin `audit`, which is the name of a built-in one"
    ):
        registry.load_plugin("audit")
    assert "acme_audit" not in sys.modules


def test_one_name_of_two_distributions(site: Site) -> None:
    """Two distributions that offer one name are both named, and neither is imported."""
    site.add("acme-one", {"acme_one.py": plugin("twice")}, "[yumen.plugins]\ntwice = acme_one:It\n")
    site.add("acme-two", {"acme_two.py": plugin("twice")}, "[yumen.plugins]\ntwice = acme_two:It\n")
    with pytest.raises(RegistryError, match="several distributions offer the plugin `twice`: acme-one, acme-two"):
        registry.load_plugin("twice")
    assert not {"acme_one", "acme_two"} & set(sys.modules)


def test_one_distribution_twice(site: Site, tmp_path: Path) -> None:
    """A distribution that lies in two folders in two versions is refused: the order of the path would choose."""
    site.add_plugin("twin")
    with on_path(tmp_path / "other") as other:
        other.add_plugin("twin", version="2.0")
        with pytest.raises(RegistryError) as caught:
            registry.load_plugin("twin")
    assert "plugin `twin` of acme-twin is installed more than once: " in str(caught.value)
    assert f"2.0 in {tmp_path / 'other'}" in str(caught.value)
    assert f"1.0 in {site.folder}" in str(caught.value)
    registry.load_plugin("twin")


def test_a_folder_of_a_bundle_is_found_without_any_import(site: Site) -> None:
    """Looking an installed bundle up runs neither its package nor one around it."""
    trap = "raise SystemExit('imported')\n"
    files = {
        "acme_trap/__init__.py": trap,
        "acme_trap/policies/__init__.py": trap,
        "acme_trap/policies/gateway.yaml": "",
    }
    site.add("acme-trap", files, "[yumen.bundles]\ntrap = acme_trap.policies\nlost = acme_trap.lost\n")
    assert registry.bundle_folder("trap") == site.folder / "acme_trap" / "policies"
    with pytest.raises(RegistryError, match="the package of the bundle `lost` is not there"):
        registry.bundle_folder("lost")
    assert registry.bundle_folder("nobody") is None


def test_an_inherited_hook_is_enough(site: Site) -> None:
    """A plugin whose hook stands in a base of its own is one."""
    source = plugin("good", more=f"class Base(Plugin[NoConfig]):\n{HOOK}", body="    pass\n")
    site.add_plugin("good", source.replace("It(Plugin[NoConfig])", "It(Base)"))
    assert registry.load_plugin("good").__name__ == "It"


def test_what_is_installed_is_read_once() -> None:
    """A policy of a thousand engines asks a thousand times who offers one, and no name of a distribution is read anew."""
    assert registry.listings("engine") is registry.listings("engine")
