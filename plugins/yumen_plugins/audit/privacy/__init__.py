"""Counts of the ledger that may be shared outside the house: differential privacy with a budget."""

from yumen_plugins.audit.privacy.budget import Budget, BudgetSpent
from yumen_plugins.audit.privacy.releases import Release, bounded, release

__all__ = ["Budget", "BudgetSpent", "Release", "bounded", "release"]
