"""The checks as tests of a plugin's own suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from yumen.testing.conformance.every import CHECKS
from yumen.testing.conformance.running import judged
from yumen.testing.conformance.subject import STARTS, Subject

if TYPE_CHECKING:
    from yumen.plugin import Plugin
    from yumen.testing.conformance.examples import Example


def conformance(
    plugin: type[Plugin[Any]], examples: Sequence[Example] = (), *, starts: int = STARTS
) -> Callable[[str], None]:
    """A test function with one test per check: `test_conformance = conformance(MyPlugin)` in a file of tests.

    Without `examples` those of the plugin's package are taken; see `Example`. A check that nothing reached is skipped with
    what is missing, and one that does not apply passes. `starts` is how often it is started where leaks are looked for.
    """
    import pytest  # whoever runs the gateway need not have it

    subject = Subject(plugin, examples, starts)

    @pytest.mark.parametrize("check", CHECKS)
    def test(check: str) -> None:
        """One rule of docs/plugins/conformance.md."""
        verdict = judged(subject, CHECKS[check])
        if verdict.verdict == "fails":
            pytest.fail(
                f"{verdict.id}: {verdict.what}\nThe rule: {verdict.rule}\nWhat to do: {verdict.mend}", pytrace=False
            )
        if verdict.verdict == "not reached":
            pytest.skip(verdict.what)

    return test
