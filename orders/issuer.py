"""Who issues statements to customers: the office as its settings name it."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """As it stands at the head of a statement; what is empty is not shown."""

    name: str
    #: In lines, as on a letter.
    address: str
    #: The number under which the office is registered, for tax or for trade.
    registration: str


def read_issuer() -> Issuer:
    """The office now."""
    return Issuer(
        name=settings.ISSUER_NAME,
        address=settings.ISSUER_ADDRESS.strip(),
        registration=settings.ISSUER_REGISTRATION,
    )
