"""Keyrings for tests, what lies in their files, and processes that use them."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

from yumen_plugins.audit.subjects import Keyring
from yumen_plugins.audit.subjects.keyring import SUBJECTS_MAX

ROOT = b"r" * 32
REPOSITORY = Path(__file__).parents[4]


def subject(name: str) -> str:
    """The 32 digits of somebody."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


LI_NA, WANG_WEI, ANNA = subject("李娜"), subject("王伟"), subject("Anna")


def ring(folder: Path, subjects_max: int = SUBJECTS_MAX) -> Keyring:
    """Open the keyring of a data directory."""
    return Keyring.open(folder, ROOT, subjects_max=subjects_max)


def sql(folder: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Do with the file what anybody could do who has it, as another process would."""
    with sqlite3.connect(folder / "subjects.sqlite", isolation_level=None) as connection:
        rows = connection.execute(query, values).fetchall()
    connection.close()
    return rows


def wrapped(folder: Path, who: str = "%") -> list[bytes]:
    """The keys of somebody as they are stored."""
    rows = sql(folder, "SELECT wrapped FROM keys WHERE subject LIKE ?", who)
    return [row[0] for row in rows if isinstance(row[0], bytes)]


def left(folder: Path, secrets: list[bytes]) -> int:
    """How many pieces of eight bytes of these stand anywhere in the files, whatever SQLite thinks of that place."""
    content = b"".join(file.read_bytes() for file in folder.glob("subjects.sqlite*"))
    pieces = {secret[place : place + 8] for secret in secrets for place in range(1, len(secret) - 8, 8)}
    return sum(content[place : place + 8] in pieces for place in range(len(content) - 7))


def process(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `uses.py` on a data directory; what it says comes line by line."""
    command = [sys.executable, "-m", "tests.plugins.audit.subjects.uses", str(folder), *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
