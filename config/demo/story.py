"""The words of which the demo's story is made, and the people in it; what they buy is in ``sales.py``."""

from dataclasses import dataclass
from enum import StrEnum

PRODUCTION = "esim-commerce"
SANDBOX = "esim-commerce-sandbox"
ACCESS = "esim-access"
ESIMFX = "esimfx"
FREEBIT = "freebit"
#: The orders of ``SALES`` are this many (simulated) days old at the providers.
DAYS_BACK = 6


class Fate(StrEnum):
    """What becomes of a line."""

    WAITS = "waits"
    DOWNLOADS = "downloads"
    INSTALLS = "installs"
    TRAVELS = "travels"
    STREAMS = "streams"
    USES_UP = "uses up"
    #: Its days are over before the story ends.
    RUNS_OUT = "runs out"
    #: Our desk suspends it after some use.
    IS_SUSPENDED = "is suspended"
    #: A sandbox line: our desk sets its usage.
    IS_SIMULATED = "is simulated"
    #: Never used: our desk cancels the line, or terminates its package, and the money comes back.
    IS_CANCELLED = "is cancelled"
    #: Downloaded, then ended by our desk for good.
    IS_REVOKED = "is revoked"
    #: In use, then blocked by our desk for good.
    IS_BLOCKED = "is blocked"
    #: In use; our desk writes an SMS.
    IS_WRITTEN_TO = "is written to"


class Trouble(StrEnum):
    """What goes wrong with a purchase."""

    NO_BALANCE = "no balance"
    NO_STOCK = "no stock"
    NO_ANSWER = "no answer"
    ONE_MISSING = "one missing"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Person:
    name: str
    email: str = ""
    phone: str = ""
    company: str = ""
    country: str
    language: str = "en"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sale:
    """One order: who, where to, for how many days, how many eSIMs. Lines beyond ``fates`` wait.

    ``customer``: the e-mail address, or the name of somebody without one.

    ``by_day``: a plan of which the customer chooses the days. ``topped_up``: the first line is topped up later.
    ``replaced``: the last line is faulty, and replaced free of charge.
    """

    name: str
    customer: str
    country: str
    days: int
    quantity: int = 1
    account: str = PRODUCTION
    method: str = "terminal"
    note: str = ""
    paid: bool = True
    by_day: bool = False
    unlimited: bool | None = None
    topped_up: bool = False
    replaced: bool = False
    fates: tuple[Fate, ...] = ()
    trouble: Trouble | None = None

    @property
    def is_short(self) -> bool:
        """Whether the plan must be over before the story ends."""
        return Fate.RUNS_OUT in self.fates

    @property
    def counts_total(self) -> bool:
        """Whether the plan must have an allowance in total."""
        return self.topped_up or bool({Fate.USES_UP, Fate.STREAMS} & set(self.fates))


PEOPLE = (
    Person(name="Hanako Sato", email="hanako.sato@example.jp", phone="+81 90 5555 0101", country="JP", language="ja"),
    Person(name="Liam Carter", email="liam.carter@example.com", phone="+1 202 555 0142", country="US"),
    # Nobody can write to her.
    Person(name="Sofia Rossi", phone="+39 06 5555 0118", country="IT", note="Calls; has no e-mail address."),
    Person(name="Min-jun Kim", email="minjun.kim@example.kr", phone="+82 10 5555 0199", country="KR"),
    Person(name="Chloé Dubois", email="chloe.dubois@example.fr", phone="+33 1 55 55 01 07", country="FR"),
    Person(name="Lukas Weber", email="lukas.weber@example.de", country="DE", note="Prefers to be written to."),
    Person(name="Emma Wilson", email="emma.wilson@example.co.uk", phone="+44 20 5555 0123", country="GB"),
    Person(name="Diego Fernández", email="diego.fernandez@example.es", country="ES"),
    Person(name="Yuki Tanaka", email="yuki.tanaka@example.jp", country="JP", language="ja"),
    Person(
        name="Ingrid Larsen",
        email="travel@fjordtours.example",
        company="Fjord Tours",
        phone="+47 55 55 01 90",
        country="NO",
        note="Orders for whole groups; wants the codes as a list.",
    ),
    Person(
        name="Marcus Lee",
        email="events@meridian.example",
        company="Meridian Events",
        phone="+65 5550 0134",
        country="SG",
    ),
    Person(name="Priya Shah", email="priya.shah@example.in", phone="+91 22 5555 0160", country="IN"),
)
