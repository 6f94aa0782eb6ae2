"""A plugin in a process of its own: `isolation: process` in its policy file, the class unchanged.

In the gateway stands a proxy (`proxy.py`) with the plugin's manifest and hooks. `keeper.py` keeps its process alive,
`conversation.py` speaks with it, `service.py` does what a plugin asks of its host. In the process `child/` holds the plugin
and gives it an exchange and a host that behave like the gateway's. What passes between them is in `wire.py`. What is
isolated so, and what is not: docs/isolation.md.
"""

from yumen.isolation.proxy import isolated
from yumen.isolation.wire import why_not

__all__ = ["isolated", "why_not"]
