"""What every plugin is held to, checked rather than believed: `yumen plugins check`, and the same for pytest.

`examine(MyPlugin)` runs all checks and returns a `Report`; `conformance(MyPlugin)` makes a test of each for pytest.
`Example` says with which configurations and texts. Every check is described in docs/plugins/conformance.md.
"""

from yumen.testing.conformance.as_tests import conformance
from yumen.testing.conformance.every import CHECKS
from yumen.testing.conformance.examples import Example
from yumen.testing.conformance.running import Report, examine
from yumen.testing.conformance.verdict import Verdict

__all__ = ["CHECKS", "Example", "Report", "Verdict", "conformance", "examine"]
