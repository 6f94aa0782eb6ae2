"""`yumen policy sign`: signs the files of a bundle as they are."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yumen.errors import CannotStart, PolicyError
from yumen.policy.folder import SIGNATURE, is_inside, read_folder
from yumen.policy.sigfile import named_bases, unread, write_signature
from yumen.policy.signature import Unsignable
from yumen.policy.signature import sign as signed
from yumen.policy.signers import PublicKey, UnusableKey, public_path, read_private, save_key


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The signer's private key, a PEM file.")
@click.option("--create-key", is_flag=True, help="Make that key first, and its public key beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sign(bundle: Path, key: Path, create_key: bool, as_json: bool) -> None:
    """Sign the files of the folder BUNDLE, and of the bundles that it extends, into its file bundle.sig.

    Other keys' signatures of the same contents are kept. Exit status: 0 signed, 1 the key cannot be used or the file
    not be written, 2 something is wrong with the bundle.
    """
    if not bundle.is_dir():
        raise CannotStart(f"there is no folder {bundle}; `yumen init` copies an installed bundle into one")
    if is_inside(key, bundle):
        raise CannotStart(f"{key} lies in the bundle's folder, so who gets the bundle gets the key; keep it elsewhere")
    folder = read_folder(bundle)
    if wrong := unread(folder):
        raise PolicyError(wrong)
    bases = named_bases(folder)
    try:
        private = Ed25519PrivateKey.generate() if create_key else read_private(key, lambda: _passphrase(key))
        made = signed(folder.files, bases, private, folder.signature)
        if create_key:
            save_key(private, key)
        public = PublicKey(private.public_key(), str(key))
        path = write_signature(bundle, made.content)
    except Unsignable as error:
        raise PolicyError([flaw.diagnostic(str(bundle / SIGNATURE)) for flaw in error.flaws]) from None
    except UnusableKey as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"cannot write {bundle / SIGNATURE}: {error.strerror}; make {bundle} writable") from None
    if as_json:
        report = {"signature": str(path), "key": public.id, "files": list(folder.files), "dropped": made.dropped}
        click.echo(msgspec.json.encode({**report, "bases": [name for name, _ in bases]}).decode())
        return
    if create_key:
        click.echo(f"made {key}, which nobody else may have, and {public_path(key)}, which everybody may")
    for one in made.dropped:
        click.echo(f"left out the signature by {one}: it was of other contents")
    below = f", and those of {', '.join(name for name, _ in bases)}," if bases else ""
    count = "1 file" if len(folder.files) == 1 else f"{len(folder.files)} files"
    click.echo(f"signed {count}{below} with the key {public.id}\nwrote {path}")


def _passphrase(key: Path) -> str:
    asked: str = click.prompt(f"Passphrase of {key}", hide_input=True, err=True)
    return asked
