"""Names of errors' types stand in logs, traces and records, so no text may hide in one."""

from __future__ import annotations

import pytest

from yumen.isolation.wire import raised
from yumen.telemetry import error_name


class Outer:
    class Inner(LookupError):
        """An error that stands in a class of its module."""


class Long(ValueError):
    """An error with a name that is too long."""


Long.__name__ = Long.__qualname__ = "L" * 200
globals()[Long.__name__] = Long
Odd = type("张三 phone: 13812345678", (OSError,), {"__module__": 13812345678})


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (KeyError("张三"), "KeyError"),
        (Outer.Inner(), "Inner"),
        (type("张三13812345678", (Outer.Inner,), {})(), "Inner"),
        (type("Outer.Absent", (ValueError,), {})(), "ValueError"),
        (Odd(), "OSError"),
        (Long(), "L" * 80),
        (raised("AcmeError")(), "AcmeError"),
        (raised("张三 13812345678")(), "Error"),
    ],
)
def test_a_type_is_named_where_it_stands_in_its_module(error: BaseException, name: str) -> None:
    """A type that was made at run time goes by the first of its bases that its module has; every name is bounded."""
    assert error_name(error) == name
