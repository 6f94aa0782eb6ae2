"""A transparency log in plain files: hashing, signed checkpoints, tiles, and the journal that makes appending durable.

Formats: RFC 6962 (hashing), https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-tiles.
Nothing here knows of exchanges; an entry is bytes.
"""
