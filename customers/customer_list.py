"""The list of customers: its columns and orders."""

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from customers.lists import Column, ListPage, Sort, by_time
from customers.models import Customer
from customers.search import find_customers


def _narrow(words: QueryDict) -> QuerySet[Customer]:
    return find_customers(words.get("q", "").strip())


CUSTOMERS: ListPage = ListPage(
    name="customers",
    label=_("Customers"),
    url_name="customer-list",
    permission="customers.view_customer",
    narrow=_narrow,
    sorts=(*by_time(), Sort(name="name", label=_("by name"), key="name", descending=False, is_text=True)),
    columns=(
        Column(name="name", label=_("Name"), value=lambda row: row.name),
        Column(name="company", label=_("Company"), value=lambda row: row.company),
        Column(name="email", label=_("E-mail address"), value=lambda row: row.email),
        Column(name="phone", label=_("Phone"), value=lambda row: row.phone),
        Column(name="country", label=_("Country"), value=lambda row: row.country),
        Column(name="language", label=_("Language"), value=lambda row: row.language, is_usual=False),
        Column(name="since", label=_("Since"), value=lambda row: row.created_at),
    ),
)
