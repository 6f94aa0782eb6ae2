"""A process that uses a keyring, for tests: `uses.py FOLDER same SUBJECT…` or `uses.py FOLDER churn TAG`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.plugins.audit.subjects.rings import ring, subject

THREADS = 4


def same(folder: Path, subjects: list[str]) -> None:
    """Several threads ask for the keys of the same subjects at once, and say which they got."""
    keyring = ring(folder)
    start = threading.Barrier(THREADS)
    said: list[str] = []

    def ask() -> None:
        start.wait()
        for one in subjects:
            key = keyring.get_or_create("default", one)
            said.append(f"{one} {key.id} {key.seal('你好 hello'.encode(), b'x').hex()}")

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(said))


def churn(folder: Path, tag: str) -> None:
    """Make keys and erase every third, until somebody ends this; say what is done as soon as it is."""
    keyring = ring(folder)
    number = 0
    while True:
        number += 1
        one = subject(f"{tag}{number}")
        key = keyring.get_or_create("default", one)
        print("made", one, key.id, key.seal(one.encode(), b"bound").hex(), flush=True)
        if number % 3 == 0:
            print("erased", one, keyring.erase("default", one, "cli").ids[0], flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "same":
        same(Path(sys.argv[1]), sys.argv[3:])
    else:
        churn(Path(sys.argv[1]), sys.argv[3])
