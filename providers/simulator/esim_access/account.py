"""The account: what it may still spend, and where its webhooks go."""

from providers.simulator.esim_access.wire import refuse
from providers.simulator.store import Store

DEFAULT_BALANCE = 10_000_000  # $1,000

_BALANCE = "access.balance"
_WEBHOOK = "access.webhook"


class Account:
    """Money is a whole number, USD times 10,000."""

    def __init__(self, store: Store, *, balance: int) -> None:
        """`balance`: what a new state starts with."""
        self._store = store
        self._first = balance

    @property
    def balance(self) -> int:
        """What is left."""
        return int(self._store.read_setting(_BALANCE, self._first))

    @property
    def webhook(self) -> str | None:
        """The saved address."""
        url: str | None = self._store.read_setting(_WEBHOOK, None)
        return url

    def charge(self, amount: int) -> None:
        """Take from the balance. Raises Refusal 200007."""
        if amount > self.balance:
            raise refuse("200007")
        self._store.write_setting(_BALANCE, self.balance - amount)

    def refund(self, amount: int) -> None:
        """Give back."""
        self._store.write_setting(_BALANCE, self.balance + amount)

    def set_balance(self, amount: int) -> None:
        """What a test wants it to be."""
        self._store.write_setting(_BALANCE, amount)

    def set_webhook(self, url: str | None) -> None:
        """Where webhooks go from now on; None: nowhere."""
        self._store.write_setting(_WEBHOOK, url)

    def reset(self) -> None:
        """As the program was started."""
        self._store.write_setting(_BALANCE, self._first)
        self._store.write_setting(_WEBHOOK, None)
