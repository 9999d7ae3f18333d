"""The words by which customers are found in an index: copies of name, company, e-mail address and phone.

A name is kept from each of its words on ("ren ito", "ito"), so that whatever people type is the beginning of one. A
phone number is kept from its end on: people leave out the country, or say it with a zero.
"""

import re
import unicodedata
from collections.abc import Iterable

from customers.models import Customer, CustomerTerm

_LONGEST = 160
_PHONE = "tel:"
_BETWEEN_WORDS = re.compile(r"\s+")


def fold(text: str) -> str:
    """As terms are stored and looked for: letters of one width, small, one space between words."""
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()[:_LONGEST]


def phone_term(phone: str) -> str:
    """The beginning of the term of a phone number that ends so; "" where there is no digit."""
    digits = re.sub(r"\D", "", phone).lstrip("0")
    return _PHONE + digits[::-1] if digits else ""


def terms_of(*, name: str, company: str, email: str, phone: str) -> set[str]:
    """Everything by which somebody with these is found."""
    found = {fold(email), phone_term(phone)}
    for text in (fold(name), fold(company)):
        words = text.split(" ")
        found |= {" ".join(words[start:]) for start in range(len(words))}
    return found - {""}


def keep_terms(customers: Iterable[Customer]) -> None:
    """Bring the terms of these up to date, within the caller's transaction."""
    rows = list(customers)
    wanted = {
        (row.pk, term)
        for row in rows
        if row.erased_at is None
        for term in terms_of(name=row.name, company=row.company, email=row.email, phone=row.phone)
    }
    stored = {
        (customer, term): pk
        for pk, customer, term in CustomerTerm.objects.filter(customer__in=[row.pk for row in rows]).values_list(
            "pk", "customer", "term"
        )
    }
    CustomerTerm.objects.filter(pk__in=[pk for pair, pk in stored.items() if pair not in wanted]).delete()
    missing = [CustomerTerm(customer_id=customer, term=term) for customer, term in sorted(wanted - stored.keys())]
    CustomerTerm.objects.bulk_create(missing, ignore_conflicts=True)
