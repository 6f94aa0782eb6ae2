"""What the plugin keeps of an exchange while it is under way."""

from __future__ import annotations

from yumen_plugins.anomaly.counting import Counted
from yumen_plugins.anomaly.facts.lazy import lazy
from yumen_plugins.anomaly.facts.look import Look, Side, Words


class Seen:
    """`fired` are the rules that did already, `words` those of a growing reply.

    `watched`: its words are counted as it grows; `replied`: it has been asked about; `quarantined`: it was refused for that.
    """

    def __init__(self, look: Look, counted: Counted) -> None:
        self.look = look
        self.counted = counted
        self.fired: set[str] = set()
        self.watched = False
        self.replied = False
        self.quarantined = False

    @lazy
    def words(self) -> Words:
        """The words of a reply as it grows; most exchanges are not streamed."""
        return Words()

    def looked(self) -> Look:
        """The exchange as it is now. Of a stream, words that ended it count too, which its texts do not hold any more."""
        self.look.renew()
        if self.watched:
            self.look.reply.words.join(self.words)
        return self.look

    def growing(self) -> Look:
        """The exchange with as much of its reply as has come."""
        self.look.renew()
        # Not the texts of the exchange: they are there when all of the reply is, and who looks now sees none later, too.
        self.look.__dict__["reply"] = side = Side((), None)
        side.__dict__["words"] = self.words
        return self.look
