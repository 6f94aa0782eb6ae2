"""What plugin developers see of their plugins at work: every hook call of an exchange, and who stops the event loop.

`running` and `stack` tell whose code runs, `watch` notices that nothing else does; `notes` are what the hooks of an exchange
did, `tracer` logs and keeps that, `timing` says it in a header. None of it ever holds a text of a payload.
"""
