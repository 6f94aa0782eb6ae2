"""The public API as text: every public name with signature, fields, methods and types, as they are written in the source.

`python -m tests.house.api` writes tests/house/api.txt anew. What it holds depends on no version of Python: annotations are
text, and of values only those are shown that are written the same everywhere.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ForwardRef

import msgspec

# Packages whose `__all__` is public.
MODULES = ("yumen", "yumen.testing", "yumen.testing.conformance")
PAGE = Path(__file__).parent / "api.txt"
COMMAND = "python -m tests.house.api"
HEAD = f"# The public API: what plugins and engines may rest on. `{COMMAND}` writes this page; docs/versions.md says when.\n"
# Special methods that people call or define; all others are machinery.
SPECIAL = (
    "__init__",
    "__call__",
    "__aiter__",
    "__anext__",
    "__iter__",
    "__len__",
    "__getitem__",
    "__contains__",
    "__post_init__",
)
ARRAY = re.compile(r"numpy\.ndarray\[.*?numpy\.dtype\[(?:typing\.)?Any\]\]")
INDENT = "    "


def page() -> str:
    """The page."""
    parts = [HEAD]
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in sorted(module.__all__):
            lines = described(name, getattr(module, name))
            parts.append("".join(f"{line}\n" for line in (f"{module_name}.{next(lines)}", *lines)))
    return "\n".join(parts)


def described(name: str, value: Any) -> Iterator[str]:
    """The lines of one public name; the first begins with the name."""
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name} = {_value(value)}"


def _class(name: str, cls: type) -> Iterator[str]:
    bases = [_base(base) for base in getattr(cls, "__orig_bases__", cls.__bases__) if base is not object]
    yield f"{name}({', '.join(bases)}){_options(cls)}"
    if issubclass(cls, enum.Enum):
        yield from (f"{INDENT}{member.name} = {member.value!r}" for member in cls)
        return
    yield from _fields(cls)
    for member, defined in sorted(vars(cls).items()):
        machinery = member.startswith("_") and not (member in SPECIAL and _written(defined))
        machinery = machinery or (inspect.isclass(defined) and defined.__qualname__ != f"{cls.__qualname__}.{member}")
        if machinery or member in vars(cls).get("__annotations__", {}):
            continue
        yield from (f"{INDENT}{line}" for line in _member(member, defined))


def _fields(cls: type) -> Iterator[str]:
    """Annotated names in the order in which they are written, which is that of arguments where they are a Struct's."""
    defaults = _defaults(cls)
    for field, annotation in vars(cls).get("__annotations__", {}).items():
        if not field.startswith("_"):
            default = f" = {defaults[field]}" if field in defaults else ""
            yield f"{INDENT}{field}: {_text(annotation)}{default}"


def _defaults(cls: type) -> dict[str, str]:
    if hasattr(cls, "_field_defaults"):  # a NamedTuple
        return {name: _value(value) for name, value in cls._field_defaults.items()}
    if not issubclass(cls, msgspec.Struct):
        annotated = vars(cls).get("__annotations__", {})
        return {name: _value(value) for name, value in vars(cls).items() if name in annotated and not _machinery(value)}
    names, values = cls.__struct_fields__, cls.__struct_defaults__
    found = zip(names[len(names) - len(values) :], values, strict=True)
    return {name: _value(value) for name, value in found if value is not msgspec.NODEFAULT}


def _options(cls: type) -> str:
    """What decides how a Struct is made and compared."""
    if not issubclass(cls, msgspec.Struct):
        return ""
    config = cls.__struct_config__
    said = [name for name in ("frozen", "forbid_unknown_fields") if getattr(config, name)]
    said += [] if config.eq else ["eq=False"]
    signature = inspect.signature(cls).parameters.values()
    said += ["kw_only"] if signature and all(one.kind is one.KEYWORD_ONLY for one in signature) else []
    return f" [{', '.join(said)}]" if said else ""


def _member(name: str, defined: Any) -> Iterator[str]:
    if isinstance(defined, property):
        kind = "property" if defined.fset is None else "property, writable"
        yield f"{name} -> {_text(inspect.signature(defined.fget).return_annotation)} [{kind}]"  # type: ignore[arg-type]
    elif isinstance(defined, classmethod | staticmethod):
        yield f"{name}{_signature(defined.__func__)} [{type(defined).__name__}]"
    elif inspect.isfunction(defined):
        yield f"{name}{_signature(defined)}"
    elif inspect.isclass(defined):
        yield from _class(name, defined)


def _signature(function: Any) -> str:
    """Its arguments and result; `async` goes behind, so that names stay in order."""
    signature = inspect.signature(function)
    shown: list[str] = []
    before = None
    for one in signature.parameters.values():
        if before is one.POSITIONAL_ONLY and one.kind is not before:
            shown.append("/")
        if one.kind is one.KEYWORD_ONLY and before not in (one.VAR_POSITIONAL, one.KEYWORD_ONLY):
            shown.append("*")
        shown.append(_parameter(one))
        before = one.kind
    shown += ["/"] if before is inspect.Parameter.POSITIONAL_ONLY else []
    asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    return f"({', '.join(shown)}) -> {_text(signature.return_annotation)}{' [async]' if asynchronous else ''}"


def _parameter(one: inspect.Parameter) -> str:
    star = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    annotation = "" if one.annotation is one.empty else f": {_text(one.annotation)}"
    default = "" if one.default is one.empty else f" = {_value(one.default)}"
    return f"{star}{one.name}{annotation}{default}"


def _text(annotation: Any) -> str:
    """An annotation as it is written; the modules postpone theirs, so that they are text."""
    if annotation is inspect.Signature.empty:
        return "?"
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else _named(annotation)


def _base(base: Any) -> str:
    """A base class; what is a function in the place of one, such as `NamedTuple`, has a name only."""
    return base.__name__ if inspect.isfunction(base) else _named(base)


def _named(value: Any) -> str:
    if inspect.isclass(value) and not hasattr(value, "__args__"):
        return value.__qualname__
    # How an array is spelled out depends on the version of numpy.
    return ARRAY.sub("NDArray[Any]", str(value)).replace("typing.", "").replace("collections.abc.", "")


def _value(value: Any) -> str:
    """A value where it reads the same everywhere, else what it is."""
    if isinstance(value, str | int | float | bool | bytes | None | enum.Enum):
        return repr(value)
    if isinstance(value, msgspec.Struct):
        fields = (f"{name}={_value(getattr(value, name))}" for name in value.__struct_fields__)
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_value(key)}: {_value(one)}' for key, one in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({', '.join(sorted(map(_value, value)))})"
    if type(value).__module__ in ("typing", "types", "collections.abc"):
        return _named(value)
    return _named(value) if inspect.isclass(value) else "..."


def _written(defined: Any) -> bool:
    """Whether a special method stands in the source, and was not made by a metaclass or a base of the language."""
    code = getattr(defined, "__code__", None)
    return code is not None and "typing" not in code.co_filename


def _machinery(value: Any) -> bool:
    """What holds a field's value, and is none: slots and such."""
    return inspect.ismemberdescriptor(value) or inspect.isgetsetdescriptor(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
