"""Roles of staff: who may do what, in one table.

A role is a Django group of the same name. Migrations make the groups; their permissions are laid out from this table
after every ``migrate``, when all permissions exist. Whoever wants other rights makes a group of their own: these ones
are the program's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.models import User

#: Apps whose permissions roles give.
_APPS = ("providers", "catalog", "customers", "esims", "orders", "mfa", "usersessions", "django_q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """``group``: the name of the Django group. ``sees_all``: every ``view_`` permission, besides those named."""

    slug: str
    group: str
    label: Promise
    does: Promise
    permissions: frozenset[str] = frozenset()
    sees_all: bool = False


def _of(app: str, *codenames: str) -> frozenset[str]:
    return frozenset(f"{app}.{codename}" for codename in codenames)


def _views(app: str, *models: str) -> frozenset[str]:
    return _of(app, *(f"view_{model}" for model in models))


#: What all who work with customers look at.
_DESK = (
    _views("catalog", "plan", "devicemodel")
    | _of("customers", "view_customer", "add_customer", "change_customer")
    | _views("esims", "esim", "package", "usageday", "usagesample", "lineaction", "lineevent")
    | _of("esims", "reveal_codes", "refresh_esim", "revoke_links")
    | _views("orders", "order", "orderline", "orderevent", "purchase", "activation", "notification", "refund")
    | _of("orders", "resend_notification", "import_completions", "view_completionimport", "view_completionoutcome")
    | _views("providers", "provideraccount")
)
#: Taking lists out as files, which is written down, and showing everybody one's own way to look at them.
_LISTS = _of("orders", "export_list") | _of("customers", "share_view")
_SUPPORT = (
    _DESK
    | _of("esims", "suspend_esim", "cancel_esim", "revoke_esim", "activate_esim", "message_esim", "simulate_usage")
    | _of("orders", "replace", "view_difference", "view_comparison")
)
_SALES = (
    _DESK
    | _LISTS
    | _of("orders", "sell", "bulk_sell")
    | _views("orders", "payment", "creditaccount", "bulkorder", "bulkorderrow")
)
_FINANCE = (
    _LISTS
    | _views("catalog", "plan", "planchange", "pricerule")
    | _views("customers", "customer")
    | _views("esims", "esim", "package", "lineaction", "lineevent")
    | _views("orders", "order", "orderline", "orderevent", "purchase", "purchaseattempt", "activation", "notification")
    | _views("orders", "completionimport", "bulkorder", "bulkorderrow")
    | _views("orders", "payment", "paymentdelivery", "refund", "dispute", "receipt", "difference", "comparison")
    | _views("orders", "creditaccount", "creditentry", "creditstatement")
    | _of("orders", "handle_payment", "handle_paymentdelivery", "manage_credit", "reconcile", "refund", "give_back")
    | _views("providers", "provideraccount", "balancereading")
)
_CATALOGUE = (
    _views("catalog", "plan", "plancoverage", "planchange", "pricerule", "syncrun", "catalogueversion")
    | _of("catalog", "add_plan", "change_plan", "set_price", "sync_catalog")
    | _of("catalog", "add_pricerule", "change_pricerule", "delete_pricerule")
    | _of("catalog", "view_devicemodel", "add_devicemodel", "change_devicemodel", "delete_devicemodel")
    | _of("providers", "view_provideraccount", "change_provideraccount", "view_balancereading", "view_providerregion")
    | _of("providers", "view_accountevent", "view_accounttask", "view_providercall")
    | _of("providers", "view_webhookdelivery", "handle_delivery")
)
#: Given to administrators besides everything that another role has.
_ADMINISTRATION = (
    _of("orders", "repeat_bulk")
    | _of("customers", "manage_staff", "delete_device")
    | _of("mfa", "delete_authenticator")
)

SUPPORT, SALES, FINANCE = "support", "sales", "finance"
CATALOGUE, ADMINISTRATOR, AUDITOR = "catalogue", "administrator", "auditor"

ROLES: Mapping[str, Role] = {
    role.slug: role
    for role in (
        Role(
            slug=SUPPORT,
            group="Support",
            label=_("Support"),
            does=_("Helps travellers: acts on lines, sees codes, sends messages again, replaces faulty lines."),
            permissions=_SUPPORT,
        ),
        Role(
            slug=SALES,
            group="Sales",
            label=_("Sales staff"),
            does=_("Takes orders and payments, looks after customers, hands lines over."),
            permissions=_SALES,
        ),
        Role(
            slug=FINANCE,
            group="Finance",
            label=_("Finance"),
            does=_("Decides about money that came or goes back and about purchases in doubt. Sees no codes."),
            permissions=_FINANCE,
        ),
        Role(
            slug=CATALOGUE,
            group="Catalogue",
            label=_("Catalogue"),
            does=_("Reads catalogues, sets prices, publishes plans, looks after the providers and their calls."),
            permissions=_CATALOGUE,
        ),
        Role(
            slug=ADMINISTRATOR,
            group="Administrator",
            label=_("Administrator"),
            does=_("May do everything that any role may, and invites staff and gives roles."),
            permissions=_SUPPORT | _SALES | _FINANCE | _CATALOGUE | _ADMINISTRATION,
            sees_all=True,
        ),
        Role(
            slug=AUDITOR,
            group="Auditor",
            label=_("Auditor"),
            does=_("Sees everything and changes nothing. Codes and numbers of devices stay hidden."),
            sees_all=True,
        ),
    )
}
_BY_GROUP: Mapping[str, Role] = {role.group: role for role in ROLES.values()}


def lay_out_roles() -> None:
    """Make the groups of the roles say what the table says. Permissions that do not exist yet are left out: this runs
    after every ``migrate``. May be called at any time.
    """
    rows = Permission.objects.filter(content_type__app_label__in=_APPS).select_related("content_type")
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    with transaction.atomic():
        for role in ROLES.values():
            group, _is_new = Group.objects.get_or_create(name=role.group)
            wanted = {name for name in known if is_given(role, name)}
            group.permissions.set([known[name] for name in wanted])


def follow_migrations(*, apps: Apps | None = None, **_told: Any) -> None:
    """After ``migrate``, and after ``flush``, which names no apps and has emptied the groups too. On the way back to a
    release without roles there is nothing to lay out.
    """
    if apps is None:
        lay_out_roles()
        return
    try:
        apps.get_model("customers", "StaffInvitation")
    except LookupError:
        return
    if Group.objects.filter(name__in=role_groups()).count() == len(ROLES):
        lay_out_roles()


def is_given(role: Role, permission: str) -> bool:
    """Whether the role holds this permission ("app.codename")."""
    app, _dot, codename = permission.partition(".")
    return permission in role.permissions or (role.sees_all and app in _APPS and codename.startswith("view_"))


def find_role(user: User) -> Role | None:
    """The role of a member of staff; None for superusers and for those whose rights were put together by hand."""
    names = [group.name for group in user.groups.all() if group.name in _BY_GROUP]
    return _BY_GROUP[names[0]] if len(names) == 1 else None


def role_groups() -> list[str]:
    return list(_BY_GROUP)
