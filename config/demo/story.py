"""What the demo office has seen: its customers, their orders, and what became of the lines."""

from dataclasses import dataclass
from enum import StrEnum

PRODUCTION = "esim-commerce"
SANDBOX = "esim-commerce-sandbox"
#: The orders of ``SALES`` are this many (simulated) days old at the provider.
DAYS_BACK = 6


class Fate(StrEnum):
    """What the traveller does with a line."""

    WAITS = "waits"
    DOWNLOADS = "downloads"
    INSTALLS = "installs"
    TRAVELS = "travels"
    STREAMS = "streams"
    USES_UP = "uses up"
    #: Our desk suspends it after some use.
    IS_SUSPENDED = "is suspended"
    #: A sandbox line: our desk sets its usage.
    IS_SIMULATED = "is simulated"


class Trouble(StrEnum):
    """What goes wrong with a purchase."""

    NO_BALANCE = "no balance"
    NO_ANSWER = "no answer"
    ONE_MISSING = "one missing"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Person:
    name: str
    email: str
    phone: str = ""
    company: str = ""
    country: str
    language: str = "en"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sale:
    """One order: who, where to, for how many days, how many eSIMs. Lines beyond ``fates`` wait."""

    name: str
    customer: str
    country: str
    days: int
    quantity: int = 1
    account: str = PRODUCTION
    method: str = "terminal"
    note: str = ""
    paid: bool = True
    fates: tuple[Fate, ...] = ()
    trouble: Trouble | None = None


PEOPLE = (
    Person(name="Hanako Sato", email="hanako.sato@example.jp", phone="+81 90 5555 0101", country="JP", language="ja"),
    Person(name="Liam Carter", email="liam.carter@example.com", phone="+1 202 555 0142", country="US"),
    Person(name="Sofia Rossi", email="sofia.rossi@example.it", phone="+39 06 5555 0118", country="IT"),
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

SALES = (
    Sale(
        name="honeymoon",
        customer="liam.carter@example.com",
        country="JP",
        days=7,
        quantity=2,
        fates=(Fate.TRAVELS,) * 2,
    ),
    Sale(name="weekend", customer="hanako.sato@example.jp", country="KR", days=3, fates=(Fate.TRAVELS,)),
    Sale(name="rome", customer="minjun.kim@example.kr", country="IT", days=7, method="transfer", fates=(Fate.STREAMS,)),
    Sale(
        name="family",
        customer="emma.wilson@example.co.uk",
        country="ES",
        days=15,
        quantity=4,
        fates=(Fate.TRAVELS, Fate.STREAMS, Fate.INSTALLS, Fate.DOWNLOADS),
    ),
    Sale(
        name="conference",
        customer="events@meridian.example",
        country="TH",
        days=7,
        quantity=10,
        method="invoice",
        note="Group check-in on Monday.",
        fates=(Fate.TRAVELS, Fate.TRAVELS, Fate.INSTALLS, Fate.DOWNLOADS),
    ),
    Sale(
        name="semester",
        customer="lukas.weber@example.de",
        country="US",
        days=30,
        method="transfer",
        fates=(Fate.TRAVELS,),
    ),
    Sale(
        name="streaming",
        customer="diego.fernandez@example.es",
        country="FR",
        days=7,
        account=SANDBOX,
        fates=(Fate.USES_UP,),
    ),
    Sale(name="lost phone", customer="sofia.rossi@example.it", country="GB", days=15, fates=(Fate.IS_SUSPENDED,)),
    Sale(
        name="trial",
        customer="priya.shah@example.in",
        country="JP",
        days=7,
        quantity=2,
        account=SANDBOX,
        method="cash",
        note="Shows the app to the customer.",
        fates=(Fate.IS_SIMULATED, Fate.WAITS),
    ),
    Sale(
        name="second trial",
        customer="yuki.tanaka@example.jp",
        country="TW",
        days=5,
        account=SANDBOX,
        method="cash",
        fates=(Fate.IS_SIMULATED,),
    ),
)
#: Today's: what a person at the desk has to look after.
TODAY = (
    Sale(
        name="tour group",
        customer="travel@fjordtours.example",
        country="DE",
        days=5,
        quantity=8,
        method="invoice",
        trouble=Trouble.ONE_MISSING,
        note="Bus of eight.",
    ),
    Sale(
        name="silence", customer="chloe.dubois@example.fr", country="US", days=7, quantity=2, trouble=Trouble.NO_ANSWER
    ),
    Sale(
        name="empty purse",
        customer="events@meridian.example",
        country="SG",
        days=3,
        quantity=5,
        method="invoice",
        trouble=Trouble.NO_BALANCE,
    ),
    Sale(
        name="turned down",
        customer="diego.fernandez@example.es",
        country="MX",
        days=7,
        account=SANDBOX,
        trouble=Trouble.REFUSED,
    ),
    Sale(
        name="undecided",
        customer="yuki.tanaka@example.jp",
        country="HK",
        days=5,
        paid=False,
        note="Pays at the counter tomorrow.",
    ),
)
