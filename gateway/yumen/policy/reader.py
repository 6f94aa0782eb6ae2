"""Reads YAML strictly, and keeps where every value stands.

YAML is taken in a sense that surprises nobody: `on`, `yes`, dates and `1:30` are strings; a key that stands twice, a tag, an
anchor, a tab or a second document is an error. `${env:NAME}` and `${env:NAME:-default}` stand for environment variables, and
`${lines:FILE.txt}` for the lines of a file beside the policy file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import yaml

from yumen.errors import Diagnostic, words_of

BYTES_MAX = 1 << 20
DEPTH_MAX = 64
NODES_MAX = 100_000
# More than anybody reads at once; looking for the nearest known name to each of many thousands takes seconds.
DIAGNOSTICS_MAX = 500

Path = tuple[str | int, ...]
# A default holds no braces: looking for its end from every `${env:` that has none would take quadratic time.
ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")
LINES = re.compile(r"\$\{lines:([A-Za-z0-9][A-Za-z0-9._-]{0,99}\.txt)\}")
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


# The content of a text file that stands beside a policy file, or None.
Lines = Callable[[str, str], bytes | None]


class Place(NamedTuple):
    """Where something stands."""

    file: str
    line: int = 1
    column: int = 1


class Source:
    """One file: its plain data, the place of every value, and what is wrong with it so far.

    `data` holds references to the environment as they are written; `resolve` puts in what they stand for. Where the file
    changes one of a bundle that this one extends, places lead to the file in which a value was written.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Any = None
        self.places: dict[Path, Place] = {(): Place(file)}
        self.key_places: dict[Path, Place] = {}
        self.diagnostics: list[Diagnostic] = []
        # Values that come from somewhere else, and are not shown.
        self._hidden: dict[Path, str] = {}

    def wrong(self, path: Path, code: str, what: str, fix: str, *, key: bool = False) -> None:
        """Note that something is wrong at a path."""
        self.note(self.place(path, key=key), code, what, fix)

    def note(self, place: Place, code: str, what: str, fix: str) -> None:
        """Note that something is wrong at a place, up to the written limit."""
        if len(self.diagnostics) == DIAGNOSTICS_MAX:
            code, what, fix = "policy.many-errors", "more is wrong from here on", "correct what is listed first"
        if not self.full:
            self.diagnostics.append(Diagnostic(*place, code, what, fix))

    @property
    def full(self) -> bool:
        """Whether no more is noted, so that nobody need look for more."""
        return len(self.diagnostics) > DIAGNOSTICS_MAX

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where a value stands, or its key, or the nearest that is around it."""
        if key and path in self.key_places:
            return self.key_places[path]
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def resolve(self, path: Path, value: Any, env: Mapping[str, str], lines: Lines | None = None) -> Any:
        """A value with its references resolved; a variable that is not set, or a file that is missing, is noted as wrong."""
        if isinstance(value, dict):
            return {name: self.resolve((*path, name), item, env, lines) for name, item in value.items()}
        if isinstance(value, list):
            return [self.resolve((*path, index), item, env, lines) for index, item in enumerate(value)]
        if isinstance(value, str) and lines is not None and (file := LINES.fullmatch(value)) is not None:
            return self._lines(path, file[1], lines)
        if not isinstance(value, str) or "${env:" not in value:
            return value
        self._hidden[path] = "the value from the environment"

        def put(reference: re.Match[str]) -> str:
            name, default = reference.groups()
            if env.get(name):
                return env[name]
            if default is None:
                self.wrong(
                    path, "policy.env", f"the variable {name} is not set", f"set it, or write ${{env:{name}:-default}}"
                )
            return default or ""

        return ENV.sub(put, value)

    def _lines(self, path: Path, file: str, lines: Lines) -> list[str]:
        """The lines of a file, without blank ones and remarks."""
        self._hidden[path] = "the lines of a file"
        content = lines(self.place(path).file, file)
        if content is None:
            self.wrong(path, "policy.lines", f"there is no file {file} beside this one", "put it there")
            return []
        try:
            written = content.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            number = content[: error.start].count(b"\n") + 1
            self.wrong(path, "policy.lines", f"line {number} of {file} is not UTF-8", "save the file as UTF-8")
            return []
        return [line for one in written if (line := one.strip()) and not line.startswith("#")]

    def shown(self, path: Path, value: Any) -> str:
        """A value as a message may show it: never one that came from the environment, it may be a secret."""
        if path in self._hidden:
            return self._hidden[path]
        kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
        return kinds.get(type(value)) or f"`{str(value)[:40]}`"

    def sentence(self, path: Path, error: BaseException) -> str:
        """What an error about a value says, on one line; nothing of it where anything in the value may be a secret."""
        if any(one[: len(path)] == path for one in self._hidden):
            return f"{type(error).__name__}, about values of which some come from elsewhere and are not shown"
        kind, words = type(error).__name__[:100], words_of(error).split("\n")[0]
        if words and not isinstance(error, Exception):  # `3` alone says nothing of a `SystemExit`
            words = f"{kind}: {words}"
        return (words or kind).replace(";", ",")[:300]


# The same parser in C where the wheel has it; only its events and nodes are used, values are resolved by `_scalar`.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(file: str, content: bytes) -> Source:
    """Read one file; `diagnostics` of the result says what is wrong."""
    source = Source(file)
    if len(content) > BYTES_MAX:
        source.wrong((), "yaml.too-large", f"the file is larger than {BYTES_MAX} bytes", "split it")
        return source
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        source.diagnostics.append(
            Diagnostic(file, line, 1, "yaml.encoding", "this is not UTF-8", "save the file as UTF-8")
        )
        return source
    try:
        if not _plain(source, text):
            return source
        node = yaml.compose(text, Loader=LOADER)
        if node is not None:
            source.data = _Builder(source).build(node, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = (error.problem or "this is not YAML").replace("\t", "a tab").split("\n")[0]
        source.diagnostics.append(Diagnostic(file, line, column, "yaml.syntax", what, "correct the syntax here"))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        what = "this is nested too deeply" if isinstance(error, RecursionError) else "this is not YAML"
        source.diagnostics.append(Diagnostic(file, 1, 1, "yaml.syntax", what, "write it anew, in plain YAML"))
    return source


def _plain(source: Source, text: str) -> bool:
    """Whether the file is one document of mappings, lists and scalars; what else YAML can do is noted as wrong."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        what = ""
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            what = "a second document begins here" if documents > 1 else ""
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            what = "this is nested too deeply" if depth > DEPTH_MAX else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            what = "anchors and aliases are not used in policy files"
        elif getattr(event, "tag", None) is not None:
            what = "tags are not used in policy files"
        if what:
            mark = event.start_mark
            place = Place(source.file, mark.line + 1, mark.column + 1) if mark else Place(source.file)
            source.note(place, "yaml.not-plain", what, "write the value itself, once")
            return False
    return True


class _Builder:
    """Turns nodes into plain data, noting places and what is not allowed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        """The plain value of one node."""
        source = self._source
        mark = node.start_mark
        source.places[path] = Place(source.file, mark.line + 1, mark.column + 1)
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise ValueError("too many values")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        source = self._source
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            below = (*path, str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "")
            place = Place(source.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                source.note(place, "yaml.key", "a key is not plain text", "use a word")
                continue
            if key_node.value in out:
                what = f"the key `{key_node.value[:60]}` stands here a second time"
                source.note(place, "yaml.duplicate-key", what, "keep one of the two")
                continue
            source.key_places[below] = place
            out[key_node.value] = self.build(value_node, below, depth + 1)
        return out


def _scalar(node: yaml.Node) -> Any:
    text: str = node.value
    if getattr(node, "style", None):
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    if INTEGER.fullmatch(text):
        return int(text[:40])
    return float(text) if FLOAT.fullmatch(text) and len(text) < 40 else text
