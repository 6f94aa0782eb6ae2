"""The second gate of the semantic tier: see `compare`."""

from yumen_plugins.cache.semantic.gate.compare import agree, differ
from yumen_plugins.cache.semantic.gate.reading import Gist, read

__all__ = ["Gist", "agree", "differ", "read"]
