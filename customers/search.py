"""Finding customers."""

from django.db.models import Q, QuerySet

from customers.customers import normalise_phone
from customers.models import Customer


def find_customers(text: str) -> QuerySet[Customer]:
    """Customers of whom every word of ``text`` is in the name, e-mail address, company or phone; all for "".

    Those who are erased are not among them. Capitals do not matter; a phone number is found however it is spaced.
    """
    found = Customer.objects.filter(erased_at=None)
    phone = normalise_phone(text)
    if phone.lstrip("+").isdigit() and len(phone) >= 3:
        return found.filter(Q(phone__contains=phone.lstrip("+0")) | Q(name__icontains=text) | Q(email__icontains=text))
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(company__icontains=word) | Q(phone__contains=word)
        )
    return found
