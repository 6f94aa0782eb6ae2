"""The frameworks that a report can be made for, by their names on the command line.

What they say of the law is a summary of ours, to be read by a lawyer before it is used. Figures of time are those of
docs/policies.
"""

from yumen_plugins.audit.report.frameworks.eu_ai_act import EU_AI_ACT
from yumen_plugins.audit.report.frameworks.form import Framework
from yumen_plugins.audit.report.frameworks.gdpr import GDPR
from yumen_plugins.audit.report.frameworks.hipaa import HIPAA
from yumen_plugins.audit.report.frameworks.pci import PCI
from yumen_plugins.audit.report.frameworks.pipl import PIPL

FRAMEWORKS: dict[str, Framework] = {one.id: one for one in (PIPL, GDPR, EU_AI_ACT, HIPAA, PCI)}

__all__ = ["FRAMEWORKS", "Framework"]
