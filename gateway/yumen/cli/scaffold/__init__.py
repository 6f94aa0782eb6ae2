"""What `yumen plugins new` and `yumen engines new` write: a package that passes all its checks as it stands.

The templates in `templates/` are the files as they will be, with `{{word}}` where a name belongs. Tests write packages,
install them and run everything on them, so that no template can rot.
"""

from yumen.cli.scaffold.package import Written, write
from yumen.cli.scaffold.words import Kind, Words, words

__all__ = ["Kind", "Words", "Written", "words", "write"]
