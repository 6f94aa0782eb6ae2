"""Evidence reports: what the ledger shows, beside what laws and standards ask for."""

from yumen_plugins.audit.report.assess import Verification
from yumen_plugins.audit.report.figures import Figures, gather
from yumen_plugins.audit.report.frameworks import FRAMEWORKS
from yumen_plugins.audit.report.page import build
from yumen_plugins.audit.report.write import report, report_shared

__all__ = ["FRAMEWORKS", "Figures", "Verification", "build", "gather", "report", "report_shared"]
