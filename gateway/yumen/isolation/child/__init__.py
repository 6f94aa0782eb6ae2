"""The process of a plugin, started by `yumen.isolation.process`: `python -P -m yumen.isolation.child PARENT_PID`.

Orders come on file descriptor 0, and what the plugin must know at once is asked on 1; both are sockets. Whatever anybody
prints here goes nowhere, since it could be what the plugin is looking at.
"""
