"""Which customer somebody who signs in is: the one that staff made for their address, or a new one.

An address says who somebody is only once it is confirmed; whoever confirmed it last has it.
"""

from typing import Any

import structlog
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from customers.customers import normalise_email
from customers.models import Customer, User
from customers.terms import keep_terms

log = structlog.get_logger(__name__)


def link_customer(*, user: User) -> Customer | None:
    """The customer of ``user``: theirs, or that with their address whom nobody is yet, or a new one.

    None for staff, who buy for others, and where the address is not confirmed: then nothing is written. A customer who
    is linked already follows the address. May be called again at any time.
    """
    if user.is_staff:
        return Customer.objects.filter(user=user).first()
    try:
        return _link(user)
    except IntegrityError:
        # Staff entered a customer with this address at the same moment: that one is it.
        return _link(user)


def follow_address(user: User, **_told: Any) -> None:
    """The person has confirmed another address: their customer is written to there from now on."""
    link_customer(user=user)


def _link(user: User) -> Customer | None:
    with transaction.atomic():
        owner = User.objects.select_for_update().get(pk=user.pk)
        email = normalise_email(owner.email)
        if not EmailAddress.objects.filter(user=owner, email__iexact=email, verified=True).exists():
            return None
        customer = Customer.objects.select_for_update().filter(user=owner).first()
        if customer is None:
            customer = _find_unlinked(owner, email)
        if customer is None:
            # Not from one whom nobody is: staff may have entered it this moment, and then it is the one.
            _free(Customer.objects.filter(email__iexact=email, user__isnull=False))
            customer = Customer.objects.create(
                user=owner, name=_name_of(owner), email=email, language=owner.language, created_by=None
            )
            keep_terms([customer])
            log.info("customer.signed_up", customer=customer.pk)
        elif customer.email != email:
            _free(Customer.objects.filter(email__iexact=email))
            customer.email = email
            customer.save(update_fields=["email"])
            keep_terms([customer])
    return customer


def _find_unlinked(owner: User, email: str) -> Customer | None:
    """Claim what staff have made for this address."""
    if not Customer.objects.filter(email__iexact=email, user__isnull=True).update(user=owner):
        return None
    customer = Customer.objects.get(user=owner)
    log.info("customer.linked", customer=customer.pk)
    return customer


def _free(others: QuerySet[Customer]) -> None:
    """Other customers had this address, unconfirmed or long ago: it is taken from them, and their note says why."""
    for other in others.select_for_update():
        today = timezone.now().date().isoformat()
        line = f"{today}: the e-mail address {other.email} was confirmed by another account and taken from here."
        other.note = f"{other.note}\n{line}".strip()
        other.email = ""
        other.save(update_fields=["note", "email"])
        keep_terms([other])
        log.warning("customer.address_taken", customer=other.pk)


def _name_of(user: User) -> str:
    return user.get_full_name() or user.email.partition("@")[0]
