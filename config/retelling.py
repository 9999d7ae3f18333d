"""Stored sentences in the reader's language.

Errors and reasons are written into the books in English, by workers that know no reader; they are evidence and stay as
they are. Pages retell those that are ours. What a provider said, or a person typed, reads as it was written.
"""

import re
from functools import lru_cache

from django.utils.translation import get_language, gettext, pgettext_lazy
from django.utils.translation import gettext_noop as _

#: Sentences as the code that writes them builds them: each stands there with its own values in place of the names.
SENTENCES = (
    # the way to a provider, and what came back
    _("The provider could not be reached"),
    _("The provider could not be reached in time"),
    _("No secure connection to the provider: its certificate or TLS was refused"),
    _("The provider did not answer in time"),
    _("The connection ended before the provider's answer came"),
    _("Staff have paused this provider account"),
    _("The database could not be asked for the right to call"),
    _("The rate budget of %(operation)s is spent for %(seconds)s s"),
    _("The provider's rate limit is reached; it asks to wait %(seconds)s s"),
    _("The reply was cut off"),
    _("The provider answered nonsense: %(fault)s"),
    _("The provider answered HTTP %(status)s; the request may have been carried out"),
    _("The provider answered HTTP %(status)s"),
    _("The provider refused (%(code)s): %(message)s"),
    _("The provider refused (%(code)s)"),
    _("%(capability)s is not offered by this provider"),
    _("one order here holds 1 to %(most)s eSIMs, not %(quantity)s"),
    _("The reply to the order was cut off"),
    _("The reply to the order is not JSON"),
    _("The reply to the order has no list of eSIMs"),
    _("The reply to the order names neither eSIMs nor a transaction"),
    _("The catalogue cannot be read: %(fault)s"),
    _("This is not a transaction id"),
    _("An ICCID of this provider has 19 digits"),
    # buying
    _("No answer came before the deadline, or the worker died."),
    _("The reply could not be read by our program (%(crash)s)."),
    _("The reply could not be applied by our program (%(crash)s)."),
    _("Our program failed while it sent the order (%(crash)s)."),
    _("Our program failed over the inquiry (%(crash)s)."),
    _("No reply is stored for this request."),
    _("The account is not configured: its reply cannot be read."),
    _("the account is not configured: nothing was sent"),
    _("request %(number)s is judged when the purchase has moved on"),
    _("a late answer says that nothing was bought: %(error)s"),
    _("could not be sent %(failures)s times in a row: %(error)s"),
    _("refused now, but an earlier request may have gone through: %(error)s"),
    _("asked again with the same key: %(error)s"),
    _("the provider is asked what it holds: %(error)s"),
    _("follows from its purchases"),
    _("the provider delivered fewer for good"),
    _("more lines may come: the provider is asked"),
    _("the provider took the order and named %(delivered)s of %(quantity)s lines"),
    _("%(count)s of the lines named are lines of somebody else here already"),
    _("the provider can no longer be asked about this transaction: enter what its portal says"),
    _("%(inquiries)s inquiries agree: %(delivered)s of %(quantity)s were delivered"),
    _("%(inquiries)s inquiries agree that the transaction holds no lines"),
    _("the provider does not know the transaction: %(error)s"),
    _("The provider answered %(found)s where %(known)s was known."),
    _("The provider named lines that are somebody else's here: %(refs)s"),
    _("The provider named lines twice: %(refs)s"),
    _("The provider delivered %(more)s more than ordered; they are kept."),
    _("A late answer gave the transaction %(transaction)s: it may hold the missing lines."),
    _("the provider's lines came, or may still come"),
    _("%(amount)s went back already, yet lines were delivered"),
    _("refused: nothing was bought"),
    _("delivered in part"),
    _("cancelled before sending"),
    _("accepted: the completion file will say what came of it"),
    _("the form is erased: enter it again"),
    _("form corrected"),
    _("it waited too long"),
    # completion files
    _("A completion file says that the activation failed (%(code)s), yet its line is here."),
    _("failed, yet its line is here: needs a look"),
    _("came late: the purchase was “%(state)s”"),
    _("says neither success nor failure"),
    _("it was never sent: its order is not paid"),
    _("its form was corrected just now: import the file again"),
    _("it does not wait for an outcome now"),
    _("no request of ours has this delivery code"),
    _("our request of this delivery code has another EID"),
    _("no request of ours has this %(handle)s"),
    _("several requests of ours have this %(handle)s"),
    _("our request of this %(handle)s has another phone number"),
    _("our program failed over this row (%(crash)s)"),
    _("EID"),
    _("phone number"),
    _("EID and phone number"),
    _("paid"),
    _("resumed"),
    _("transaction id entered"),
    _("lines entered by hand"),
    # lines
    _("It could not be sent in time; nothing was sent."),
    _("The provider account is paused or not set up."),
    _("Nothing was sent."),
    _("No answer came: it may have been sent."),
    _("The worker stopped while sending."),
    _("the line is being read at this moment"),
    _("the provider answered for another line"),
    _("what the provider said cannot be stored"),
    _("The provider's reports still show the line as before."),
    _("The provider has reported nothing newer about the line."),
    # catalogue
    _("The worker stopped in the middle. Nothing was changed."),
    _("The provider could not be read: %(error)s"),
    _("The catalogue could not be written: %(error)s"),
    _("The provider did not say how many plans there are."),
    _("The provider's count changed while the catalogue was read."),
    _("%(count)s plans could not be read, not even their codes."),
    _("The provider counts %(total)s plans, %(seen)s were read."),
    _("Reading took longer than the %(seconds)s s that it has."),
    # what a request held
    _("plan"),
    _("quantity"),
    _("key"),
    _("transaction"),
)
_NAME = re.compile(r"%\((\w+)\)s")


def retell(text: str) -> str:
    """The text in the reader's language, line by line, where it is one of our sentences; else as it is."""
    if not text or (get_language() or "en").startswith("en"):
        return text
    return "\n".join(_retell_line(line) for line in text.split("\n"))


def _retell_line(line: str) -> str:
    told = _retell_sentence(line)
    if told is not None:
        return told
    # "Nothing was sent. The line has ended.": two sentences that were put together.
    first, stop, rest = line.partition(". ")
    told = _retell_sentence(first + ".") if stop else None
    return line if told is None else told + _retell_line(rest)


def _retell_sentence(text: str) -> str | None:
    for sentence, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return gettext(sentence) % {name: _retell_line(value) for name, value in found.groupdict().items()}
    return None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, "re.Pattern[str]"], ...]:
    # The longest first: the words of a name may hold the rest of a longer sentence.
    return tuple((one, _make_pattern(one)) for one in sorted(SENTENCES, key=len, reverse=True))


def _make_pattern(sentence: str) -> "re.Pattern[str]":
    parts = _NAME.split(sentence)
    return re.compile("".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


#: How the parts of our program sign what they do.
_ACTORS = {
    "purchasing": pgettext_lazy("actor", "purchasing"),
    "sweeper": pgettext_lazy("actor", "sweeper"),
    "inquiry": pgettext_lazy("actor", "inquiry"),
    "refresh": pgettext_lazy("actor", "refresh"),
    "actions": pgettext_lazy("actor", "actions"),
    "command": pgettext_lazy("actor", "command"),
    "schedule": pgettext_lazy("actor", "schedule"),
}


def name_actor(who: str) -> str:
    """Who did something: people as they are stored, parts of our program by their names in the reader's language."""
    return str(_ACTORS.get(who, who))
