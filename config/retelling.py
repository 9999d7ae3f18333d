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
    _("The provider refused: %(words)s"),
    _("The provider is busy: %(words)s"),
    _("The provider answered %(words)s; an earlier request of ours was carried out"),
    _("The provider answered %(words)s; the request may have been carried out"),
    _("The provider answered %(words)s"),
    _("without a reason"),
    _("The provider answered with a code that no table places (%(words)s); it may have been carried out"),
    _("The provider answered with a code that no table places (%(words)s)"),
    _("The provider answered HTTP %(status)s and success in one; it may have been carried out"),
    _("The provider gave no usable answer (%(code)s); the activation may have been accepted"),
    _("The provider gave no authentication key (%(code)s)"),
    _("The provider does not take the request now (%(code)s); again in %(seconds)s s"),
    _("No token could be had, so nothing was sent: %(error)s"),
    _("The database could not be asked for the token"),
    _("Another worker has been fetching the token for long, so nothing was sent"),
    _("Not sent: %(message)s"),
    _("The form and the request name different lines"),
    _("The reply is not what the document describes"),
    _("The reply %(fault)s; the request may have been carried out"),
    _("is no whole answer"),
    _("has no orderNo"),
    _("The provider does not tell of this eSIM"),
    _("The provider is still allocating, and lists nothing until it has done so"),
    # comparisons
    _("The provider tells of no lines: what it holds comes by its completion files only."),
    _("The provider lists no lines: ours are read one by one, the longest unread first."),
    _("The provider lists no lines: recent transactions and our own lines are looked at."),
    _("The time of the run was over: the other lines come next time."),
    _("The time of the run was over before it was done."),
    _("The provider lists %(listed)s lines and lacks %(missing)s of ours: its list is doubted."),
    _("Of %(number)s lines the provider did not say whether it knows them."),
    _("The provider refuses every one of %(number)s lines: the account is doubted, not the lines."),
    _("its transaction does not name it"),
    _("The provider lists no plans: their prices stand in our contract, and staff enter them."),
    _("The provider tells no balance."),
    _("The balance is kept as the point from which the next comparison reckons."),
    _("Of %(number)s lines the cost is not known in the balance's currency."),
    _("Some orders are undecided: what they cost is left open."),
    _("Orders or line actions are undecided: the point to reckon from is kept once none is."),
    _("For some ended lines money may have come back: how much is left open."),
    _("Something of the account moved while the balance was read: the next comparison reckons."),
    _("The worker stopped in the middle. What it had compared stands."),
    _("Our program failed over the comparison (%(crash)s)."),
    _("The provider knows no package of this code"),
    _("This is not an order number"),
    _("This is not an esimTranNo"),
    _("A transactionId has 1 to %(most)s characters"),
    _("A message has 1 to %(most)s characters"),
    _("A plan by the day is sold for 1 to %(most)s days"),
    _("An ICCID has 18 to 22 digits"),
    _("%(field)s is missing or cannot be sent"),
    _("%(capability)s is not offered by this provider"),
    _("The reply to the order was cut off"),
    _("The reply to the order is not JSON"),
    _("The reply to the order has no list of eSIMs"),
    _("The reply to the order names neither eSIMs nor a transaction"),
    _("The reply to the order names neither an order nor an eSIM"),
    _("The reply to the top-up names no order"),
    _("The reply to the top-up is about another eSIM"),
    _("The catalogue cannot be read: %(fault)s"),
    _("This is not a transaction id"),
    _("An ICCID of this provider has 19 digits"),
    # what was wrong with a reply
    _("it is not an object"),
    _("is not an object"),
    _("it has no list of plans"),
    _("it has no list of orders"),
    _("it has no list of products"),
    _("it has no list of ICCIDs"),
    _("its list holds something that is no ICCID"),
    _("it has no balance"),
    _("it has no token"),
    _("it has no eSIM"),
    _("it has no order"),
    _("it has no product"),
    _("it has no code"),
    _("it has no %(what)s"),
    _("has no usable %(what)s"),
    _("it is about other eSIMs"),
    _("it is about another eSIM"),
    _("it is about another order"),
    _("it is about another transaction"),
    _("it does not tell of this eSIM"),
    _("it is no success"),
    _("it is not the provider's envelope"),
    _("it says neither success nor an error"),
    _("its regions have no codes"),
    _("none of its packages can be read"),
    _("the reply is not JSON"),
    _("the reply is nested too deep"),
    # buying
    _("No answer came before the deadline, or the worker died."),
    _("The reply could not be read by our program (%(crash)s)."),
    _("The reply could not be applied by our program (%(crash)s)."),
    _("Our program failed while it sent the order (%(crash)s)."),
    _("Our program failed over the inquiry (%(crash)s)."),
    _("Our program failed over what it found (%(crash)s)."),
    _("Our program failed over the line (%(crash)s)."),
    _("No reply is stored for this request."),
    _("The account is not configured: its reply cannot be read."),
    # notifications
    _("The customer has no e-mail address."),
    _("No phone of the customer is signed in."),
    _("The push service cannot be reached (%(crash)s)."),
    _("The push service does not know our account (%(code)s)."),
    _("The push service refuses the message (%(code)s)."),
    _("The connection to the push service ended before it answered (%(crash)s)."),
    _("The worker died while it was being sent."),
    _("A newer invitation has taken its place."),
    _("The mail server cannot be reached (%(crash)s)."),
    _("The connection to the mail server ended before it answered (%(crash)s)."),
    _("The mail server refuses the address (%(code)s)."),
    _("The mail server refuses the message (%(code)s)."),
    _("The mail server's answer to the message says nothing (%(code)s)."),
    _("Our program failed over it (%(crash)s)."),
    _("The customer was not told: our program failed over the message (%(crash)s)."),
    _("Our program failed while it was being sent (%(crash)s)."),
    _("The line is gone."),
    _("Notification %(count)s"),
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
    _("the provider can no longer be asked about it: enter what its portal says"),
    _("%(inquiries)s inquiries agree: %(delivered)s of %(quantity)s were delivered"),
    _("%(inquiries)s inquiries agree that the transaction holds no lines"),
    _("the provider does not know the transaction: %(error)s"),
    _("the provider does not look for our key: %(error)s"),
    _("the provider does not tell of the line: %(error)s"),
    _("the provider refuses to tell: %(error)s"),
    _("the provider lists no order under our key"),
    _("the line shows it"),
    _("the line shows it under our own key"),
    _("The line shows this top-up after all: the customer may have been told that the money comes back."),
    _("The provider shows this top-up on another line: %(line)s"),
    _("the line shows no more than before the top-up"),
    _("another top-up of this line is not settled yet"),
    _("the line could not be read %(failures)s times in a row: %(error)s"),
    _("an earlier request was never answered, and its key is too old to be sent again"),
    _("The provider took the order and has been allocating for long."),
    _("The provider has been allocating for long and does not say whether it took this order."),
    _("It has been looked for for long, and every look fails."),
    _("The provider answered %(found)s where %(known)s was known."),
    _("The provider named lines that are somebody else's here: %(refs)s"),
    _("The provider named lines twice: %(refs)s"),
    _("The provider's lines hold another plan than was ordered: %(plans)s"),
    _("the transaction %(transaction)s came by another key than ours: %(keys)s"),
    _("the transaction %(transaction)s holds another plan than was ordered: %(plans)s"),
    _("The provider has named no code yet for: %(refs)s"),
    _("The provider delivered %(more)s more than ordered; they are kept."),
    _("The line is replaced by order %(number)s as well; what came here is kept."),
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
    _("has %(count)s columns where %(needed)s are needed"),
    _("has %(count)s columns under %(headings)s headings"),
    _("has no EID of 32 digits"),
    _("has no usable delivery code"),
    _("names neither an EID nor a delivery code"),
    _("has something that is no %(what)s"),
    _("holds bytes that are no text"),
    _("does not say what became of the activation"),
    _("says success and failure at once"),
    _("has a date that cannot be read"),
    _("is too long"),
    _("is not CSV"),
    _("has a quotation mark that never closes"),
    _("ICCID"),
    _("EID"),
    _("phone number"),
    _("EID and phone number"),
    # payments
    _("The order is in %(wanted)s, and %(amount)s came: it is owed back."),
    _("It came after the order had expired: buy the order after all, or give the money back."),
    _("It came although %(why)s: it is owed back."),
    _("%(amount)s of the order's total are missing: nothing is bought yet."),
    _("The order is paid, and its provider's account is not configured: nothing is bought yet."),
    _("%(amount)s too much came: it is owed back."),
    _("Another capture of the same payment was told: %(amount)s."),
    _("paid in another currency"),
    _("the order is cancelled"),
    _("the customer cancelled it in the app"),
    _("the order is paid already"),
    _("more was paid than the order costs"),
    _("nobody paid in time"),
    _("bought after all"),
    _("the money is given back"),
    _("the payment was a mistake"),
    _("open for new orders"),
    _("closed for new orders"),
    _("limit %(old)s → %(new)s; days to pay %(before)s → %(days)s"),
    _("paid"),
    _("resumed"),
    _("transaction id entered"),
    _("lines entered by hand"),
    _("to be looked for again"),
    # what providers' calls named, and what was asked about an account
    _("%(count)s to be read again"),
    _("names nothing of ours"),
    _("names an order that was given up: a person is asked"),
    _("names an order that is settled or under way"),
    _("the provider's call names it: it is asked what it holds"),
    _("The provider's call names this order (%(number)s): it may have been bought."),
    _("it names nothing"),
    _("an unknown event"),
    _("the provider tried whether we answer"),
    _("it cannot be read: %(error)s"),
    _("the account is not configured"),
    _("our program failed over it (%(crash)s)"),
    _("FIELD_ENCRYPTION_KEYS lacks the key of a stored value"),
    _("our program failed (%(crash)s)"),
    _("the worker stopped"),
    _("it answers"),
    _("%(count)s regions"),
    _("no address is set"),
    _("our address is set"),
    _("another address is set"),
    # money back for a line that ends
    _("the line was not ended: the request was refused"),
    _("nobody knows whether the line ended: look at it, then give the money back by hand"),
    _("nothing was left to give back when the line's end was confirmed"),
    _("money is owed back for it already"),
    _("less was left to give back than had been promised"),
    # lines
    _("It could not be sent in time; nothing was sent."),
    _("The provider account is paused or not set up."),
    _("Something else is under way for this line: wait until it has ended."),
    _("Nothing was sent."),
    _("The line is suspended."),
    _("The line has ended (%(state)s): nothing can be done with it any more."),
    _("This is not possible while the line is “%(state)s”."),
    _("This is not possible while the package is “%(state)s”."),
    _("No answer came: it may have been sent."),
    _("The worker stopped while sending."),
    _("the line is being read at this moment"),
    _("the provider answered for another line"),
    _("what the provider said cannot be stored"),
    _("The provider's reports still show the line as before."),
    _("The provider has reported nothing newer about the line."),
    _("The line was ended in another way, not by this: nothing says that the provider gave its cost back."),
    # catalogue
    _("The worker stopped in the middle. Nothing was changed."),
    _("The provider could not be read: %(error)s"),
    _("The catalogue could not be written: %(error)s"),
    _("The provider did not say how many plans there are."),
    _("is not text"),
    _("is longer than %(limit)s characters and was cut"),
    _("is not a number from 0"),
    _("is not a whole number in range"),
    _("is not a whole number of ten-thousandths"),
    _("is neither true nor false"),
    _("is not an instant"),
    _("is not a date"),
    _("is not a country code"),
    _("is not a list"),
    _("is not a currency, so there is no price"),
    _("has no currency"),
    _("holds something that is no country code"),
    _("holds something that is not an object"),
    _("comes twice"),
    _("its key came before; the reading ends here"),
    _("repeats the pages before it; the reading ends here"),
    _("net and suggested price are in two currencies"),
    _("a price cannot be kept: %(amount)s"),
    _("not a country code: %(country)s"),
    _("a plan code that cannot be kept"),
    _("and %(count)s more"),
    _("The provider's count changed while the catalogue was read."),
    _("%(count)s plans could not be read, not even their codes."),
    _("The provider counts %(total)s plans, %(seen)s were read."),
    _("Reading took longer than the %(seconds)s s that it has."),
    # lists of orders: what is wrong with a row, and why a list pauses
    _("The customer's name is missing."),
    _("The customer's name is longer than 150 characters."),
    _("The e-mail address is not valid."),
    _("The phone number is longer than 32 characters."),
    _("Neither an e-mail address nor a phone number tells who the customer is."),
    _("The language is none that we speak."),
    _("The quantity is no whole number from 1 to %(most)s."),
    _("The days are no whole number."),
    _("Several customers have this name and phone number: give an e-mail address."),
    _("Our books know this customer as “%(name)s”."),
    _("The plan is missing."),
    _("Several plans have this code: give its number, or write account:code."),
    _("No plan has this code or number."),
    _("This plan is sold by the day: give 1 to %(most)s days."),
    _("The same stands in row %(number)s: add the quantities up."),
    _("An earlier list has ordered the same for this customer."),
    _("Row %(number)s has another name for this e-mail address."),
    _("This customer has no open credit account in %(currency)s."),
    _("The customer's credit does not cover their rows of this list."),
    _("This row was not checked."),
    _("This plan is not sold as a new eSIM."),
    _("This customer had their account deleted: nothing more can be ordered."),
    _("The days of this plan are fixed."),
    _("The price has changed from %(old)s to %(new)s. Look at it and confirm again."),
    _("The credit limit does not allow it: %(free)s are free, %(amount)s are needed. Nothing was written."),
    _("This customer has no credit account in %(currency)s."),
    _("%(account)s is paused: nothing can be bought there now."),
    _("%(account)s is not configured: nothing can be bought there now."),
    _("A provider holds purchases of this list, most likely for want of balance: see to them first."),
    _("Row %(number)s: our own program failed; the log says why."),
    _("Row %(number)s: %(message)s"),
    _("Paused by %(email)s."),
    _("Dropped by %(email)s."),
    # cards
    _("The payment service refused (%(reason)s)"),
    _("no reason"),
    _("The payment service asks to wait: too many calls"),
    _("The payment service is carrying out the same request at this moment"),
    _("The payment service does not take our key"),
    _("The payment service could not be reached"),
    _("The payment service gave no usable answer"),
    _("The payment service answered nonsense"),
    _("The payment service answered HTTP %(status)s; it may have been carried out"),
    _("The payment service answered about another payment"),
    _("The payment service's list does not end"),
    _("The payment service knows nothing of it"),
    _("The payment service is not configured."),
    _("The payment service does not cancel it while it is “%(status)s”"),
    _("The payment service says that it was cancelled"),
    _("The payment service could not pay it back: %(reason)s"),
    _("The payment service paid %(amount)s back that was not asked for here (%(refund)s)."),
    _("The payment service holds a second payment for this one: %(intent)s (%(status)s)."),
    _("A refund of %(amount)s that had been made came back (%(reason)s): it is due again."),
    _("It was recorded as paid, and the payment service says that it is “%(status)s”."),
    _("Another worker has it"),
    _("It was changed each time it was read"),
    _("given up"),
    _("the order has expired"),
    _("read again at the payment service"),
    _("an event that asks for nothing"),
    # what a request held
    _("plan"),
    _("quantity"),
    _("key"),
    _("transaction"),
    _("line"),
    _("days"),
    _("delivery code"),
)
_NAME = re.compile(r"%\((\w+)\)s")
#: What a name stands for, where its sentence is too short to be known without.
_SHAPES = {"count": "[0-9]+", "what": "[^;]+", "handle": "[^;]+"}
#: A sentence with the provider's code behind it.
_WITH_CODE = re.compile(r"(.+) \(([\w.:-]{1,60})\)")
#: What is wrong with a field, with its place before it.
_WITH_PLACE = re.compile(r"([\w .\[\]-]{1,80}?) ((?:is|has|holds|comes) .+)")


def retell(text: str) -> str:
    """The text in the reader's language, line by line, where it is one of our sentences; else as it is."""
    if not text or (get_language() or "en").startswith("en"):
        return text
    return "\n".join(_retell_line(line) for line in text.split("\n"))


def _retell_line(line: str) -> str:
    told = _retell_sentence(line)
    if told is not None:
        return told
    if (found := _WITH_CODE.fullmatch(line)) and (told := _retell_sentence(found[1])) is not None:
        return gettext("%(sentence)s (%(code)s)") % {"sentence": told, "code": found[2]}
    if (found := _WITH_PLACE.fullmatch(line)) and (told := _retell_sentence(found[2])) is not None:
        return gettext("%(place)s %(fault)s") % {"place": found[1], "fault": told}
    # "Nothing was sent. The line has ended.": two sentences that were put together.
    first, stop, rest = line.partition(". ")
    told = _retell_sentence(first + ".") if stop else None
    if told is not None:
        return told + _retell_line(rest)
    # "says neither success nor failure; has a date that cannot be read": so are remarks.
    first, stop, rest = line.partition("; ")
    told = _retell_sentence(first) if stop else None
    if told is not None:
        return gettext("%(first)s; %(rest)s") % {"first": told, "rest": _retell_line(rest)}
    return line


def _retell_sentence(text: str) -> str | None:
    for sentence, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return gettext(sentence) % {name: _retell_value(name, value) for name, value in found.groupdict().items()}
    # A whole sentence that is a page's as well, such as why an action is not possible.
    told = gettext(text) if text.endswith(".") and " " in text else text
    return None if told == text else told


def _retell_value(name: str, value: str) -> str:
    return gettext(value) if name == "state" else _retell_line(value)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, "re.Pattern[str]"], ...]:
    # The longest first: the words of a name may hold the rest of a longer sentence.
    return tuple((one, _make_pattern(one)) for one in sorted(SENTENCES, key=len, reverse=True))


def _make_pattern(sentence: str) -> "re.Pattern[str]":
    parts = _NAME.split(sentence)
    return re.compile("".join(_make_group(part) if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def _make_group(name: str) -> str:
    return f"(?P<{name}>{_SHAPES.get(name, '.+?')})"


#: How the parts of our program sign what they do.
_ACTORS = {
    "purchasing": pgettext_lazy("actor", "purchasing"),
    "sweeper": pgettext_lazy("actor", "sweeper"),
    "inquiry": pgettext_lazy("actor", "inquiry"),
    "refresh": pgettext_lazy("actor", "refresh"),
    "actions": pgettext_lazy("actor", "actions"),
    "comparison": pgettext_lazy("actor", "comparison"),
    "webhooks": pgettext_lazy("actor", "webhooks"),
    "arrivals": pgettext_lazy("actor", "late top-ups"),
    "command": pgettext_lazy("actor", "command"),
    "schedule": pgettext_lazy("actor", "schedule"),
    "expiring": pgettext_lazy("actor", "expiring"),
    "system": pgettext_lazy("actor", "system"),
}


def name_actor(who: str) -> str:
    """Who did something: people as they are stored, parts of our program by their names in the reader's language."""
    return str(_ACTORS.get(who, who))
