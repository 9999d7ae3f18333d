"""Writing customers, and the settings that people choose for themselves."""

import re
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from customers.countries import COUNTRIES
from customers.models import Customer, User
from customers.terms import keep_terms

_NOT_DIALLED = re.compile(r"[\s().\-‐‑–/]+")


class CustomerExists(Exception):
    """Another customer has this e-mail address; ``existing`` is that one."""

    def __init__(self, existing: Customer) -> None:
        super().__init__(_("A customer with this e-mail address is there already."))
        self.existing = existing


class CustomerFields(TypedDict, total=False):
    name: str
    email: str
    phone: str
    company: str
    country: str
    language: str
    note: str


def create_customer(
    *,
    name: str,
    email: str = "",
    phone: str = "",
    company: str = "",
    country: str = "",
    language: str = "",
    note: str = "",
    by: User,
) -> Customer:
    """Make a customer. ``country`` is ISO 3166-1 alpha-2, ``language`` a language code.

    Raises :class:`CustomerExists` when somebody has the e-mail address, ``ValidationError`` (by field) for bad values.
    """
    customer = Customer(
        **_tidied(name=name, email=email, phone=phone, company=company, country=country, language=language, note=note),
        created_by=by,
    )
    _check(customer)
    _write(customer, update_fields=None)
    return customer


def update_customer(*, customer: Customer, by: User, **fields: Unpack[CustomerFields]) -> Customer:
    """Change the named fields of a customer; what is not named stays. Writes nothing where nothing differs.

    Raises as :func:`create_customer` does. ``by`` is who asked: the log of the admin keeps it, this row does not.
    """
    with transaction.atomic():
        locked = Customer.objects.select_for_update().get(pk=customer.pk)
        changed = [name for name, value in _tidied(**fields).items() if getattr(locked, name) != value]
        for name in changed:
            setattr(locked, name, _tidied(**fields)[name])
        if changed:
            _check(locked)
            _write(locked, update_fields=changed)
    return locked


def change_personal_settings(*, user: User, language: str | None = None, time_zone: str | None = None) -> User:
    """What a person chooses for their own pages; None leaves it, "" goes back to the browser's and the house's."""
    wanted = {"language": language, "time_zone": time_zone}
    changed = [name for name, value in wanted.items() if value is not None and getattr(user, name) != value]
    for name in changed:
        setattr(user, name, wanted[name])
    if changed:
        user.save(update_fields=changed)
    return user


class ProfileFields(TypedDict, total=False):
    name: str
    phone: str
    country: str
    language: str
    time_zone: str


def change_profile(*, user: User, **fields: Unpack[ProfileFields]) -> User:
    """What people change about themselves in the app; what is not named stays. All of it or nothing.

    Their language is that of their messages too. Raises ``ValidationError`` (by field) for bad values, and for a name,
    phone or country of somebody who is no customer.
    """
    about: CustomerFields = {}
    if "name" in fields:
        about["name"] = fields["name"]
    if "phone" in fields:
        about["phone"] = fields["phone"]
    if "country" in fields:
        about["country"] = fields["country"]
    with transaction.atomic():
        change_personal_settings(user=user, language=fields.get("language"), time_zone=fields.get("time_zone"))
        customer = Customer.objects.filter(user=user).first()
        if customer is None and about:
            raise ValidationError({name: _("Only customers have this.") for name in about})
        if "language" in fields:
            about["language"] = fields["language"]
        if customer is not None and about:
            update_customer(customer=customer, by=user, **about)
    return user


def normalise_email(email: str) -> str:
    """As it is stored and compared: without spaces around it, in small letters."""
    return email.strip().lower()


def normalise_phone(phone: str) -> str:
    """As it is stored and searched: without spaces, brackets and dashes."""
    return _NOT_DIALLED.sub("", phone)


def _tidied(**fields: str) -> dict[str, Any]:
    tidy = {name: " ".join(value.split()) if name != "note" else value.strip() for name, value in fields.items()}
    if "email" in tidy:
        tidy["email"] = normalise_email(tidy["email"])
    if "phone" in tidy:
        tidy["phone"] = normalise_phone(tidy["phone"])
    if "country" in tidy:
        tidy["country"] = tidy["country"].upper()
    return tidy


def _check(customer: Customer) -> None:
    customer.full_clean(validate_unique=False, validate_constraints=False)
    if customer.country and customer.country not in COUNTRIES:
        raise ValidationError({"country": _("Give the country as two letters, such as JP.")})


def _write(customer: Customer, *, update_fields: list[str] | None) -> None:
    """The database decides who was first; the loser is told who the other is."""
    try:
        with transaction.atomic():
            customer.save(update_fields=update_fields)
            keep_terms([customer])
    except IntegrityError:
        existing = Customer.objects.filter(email__iexact=customer.email).exclude(pk=customer.pk).first()
        if not customer.email or existing is None:
            raise
        raise CustomerExists(existing) from None
