"""Writes the labelled sets that detection is measured on; nothing here shares code with the detectors.

`python -m tests.labelled.make` writes both halves. `seen/` and `unseen/` hold a half's templates and words each, and share
neither a template nor a name, street, company or product. Who writes detectors must not read what is in `unseen/`.
"""
