"""Plugins from outside that a replay must cope with, installed into a folder as pip would do it."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import msgspec
from yumen import Answer, Block, Manifest, Plugin, Respond, Rule, StreamFilter

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: list[str] = []

class Watchword(Plugin[Config]):
    """Ends requests that hold a word, says that it found one, and cannot judge a finding."""
    manifest = Manifest(name="watchword", version="1", sees="raw")

    def rules(self):
        return [Rule(f"word.{number}", "", ("words", number)) for number, _ in enumerate(self.config.words)]

    async def on_request(self, exchange):
        return look(self, exchange, exchange.texts)

class Afterword(Plugin[Config]):
    """The same for replies."""
    manifest = Manifest(name="afterword", version="1", sees="masked")

    async def on_response(self, exchange):
        return look(self, exchange, exchange.reply.texts)

class Midword(Plugin[Config]):
    """The same for replies by a filter as well, and without a finding."""
    manifest = Manifest(name="midword", version="1", sees="raw")

    def refused(self, text):
        found = [number for number, word in enumerate(self.config.words) if word in text]
        return Block(f"word.{found[0]}") if found else None

    def stream(self, exchange, channel):
        plugin = self
        class Filter(StreamFilter):
            text = ""
            def feed(self, piece):
                self.text += piece
                return plugin.refused(self.text) or piece
        return Filter()

    async def on_response(self, exchange):
        return self.refused("\\n".join(text.value for text in exchange.reply.texts))

class Breaks(Plugin[Config]):
    """Fails on requests that hold a word."""
    manifest = Manifest(name="breaks", version="1", sees="raw")

    async def on_request(self, exchange):
        if any(word in text.value for text in exchange.texts for word in self.config.words):
            raise RuntimeError("broken")

class Flaky(Plugin[Config]):
    """Fails every other time that it is asked."""
    manifest = Manifest(name="flaky", version="1")

    async def start(self, host):
        self.asked = 0

    async def on_request(self, exchange):
        self.asked += 1
        if self.asked % 2:
            raise RuntimeError("broken")

class Answers(Plugin[Config]):
    """Answers requests that hold a word."""
    manifest = Manifest(name="answers", version="1", sees="raw")

    async def on_request(self, exchange):
        if any(word in text.value for text in exchange.texts for word in self.config.words):
            return Respond(Answer(["as always"]))

class Lastword(Plugin[Config]):
    """Right before an engine is asked: refuses the first word, answers the second, and fails on the third."""
    manifest = Manifest(name="lastword", version="1", sees="masked")

    async def on_send(self, exchange):
        found = [number for number, word in enumerate(self.config.words)
                 for text in exchange.texts if exchange.egress and word in text.value]
        if found and found[0] == 2:
            raise RuntimeError("broken")
        return (Block("last"), Respond(Answer(["as always"])))[found[0]] if found else None

class Hoards(Plugin[Config]):
    """Keeps things, and answers, refuses or fails by what it keeps."""
    manifest = Manifest(name="hoards", version="1", sees="masked", stores="masked")

    async def start(self, host):
        self.asked = 0
        (host.data_dir / "hoard").write_text("kept")

    async def on_request(self, exchange):
        self.asked += 1
        if self.asked % 4 == 1:
            return Respond(Answer(["kept"]))
        if self.asked % 4 == 2:
            return Block("hoard")
        if self.asked % 4 == 3:
            raise RuntimeError("broken")

class Counts(Plugin[Config]):
    """Lets two requests of a process pass, and remembers them in itself."""
    manifest = Manifest(name="counts", version="1")

    async def start(self, host):
        self.count = 0

    async def on_request(self, exchange):
        self.count += 1
        return Block("two") if self.count > 2 else None

def look(plugin, exchange, texts):
    for text in texts:
        for number, word in enumerate(plugin.config.words):
            at = text.value.find(word)
            if at >= 0:
                exchange.find(f"word.{number}", category="word", text=text, start=at, end=at + len(word))
                return Block(f"word.{number}")
'''
NAMES = ("watchword", "afterword", "midword", "breaks", "flaky", "answers", "lastword", "hoards", "counts")


def install(site: Path) -> None:
    """Write the distribution's files into `site`."""
    (site / "outsiders_plugins.py").write_text(MODULE)
    info = site / "outsiders-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsiders\nVersion: 1.0\n")
    points = (f"{name} = outsiders_plugins:{name.title()}" for name in NAMES)
    (info / "entry_points.txt").write_text("\n".join(["[yumen.plugins]", *points]) + "\n")


def plugin_file(name: str, *words: str, **knobs: str) -> str:
    """A policy file for one of them."""
    more = "".join(f"{knob}: {value}\n" for knob, value in knobs.items())
    return f"version: 1\nplugin: {name}\n{more}config: {{words: [{', '.join(words)}]}}\n"
