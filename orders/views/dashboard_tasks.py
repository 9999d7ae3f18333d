"""What waits for a person, as the dashboard lists it: the most urgent first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import User
from esims.search import DEADLINE_NEAR_DAYS
from orders.health import JobHealth
from orders.selectors.dashboard import Attention


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that waits for a person, and where it is done."""

    number: int
    title: str
    url: str
    action: str
    tone: str
    hint: str = ""
    #: Something that is so, not a number of things.
    is_condition: bool = False


def find_tasks(user: User, found: Attention, jobs: JobHealth) -> Iterator[Task]:
    """The most urgent first; only what the person may open."""
    if user.has_perm("orders.view_purchase"):
        yield from _purchase_tasks(found)
    yield from _reconciliation_tasks(user, found)
    if user.has_perm("orders.view_payment"):
        yield Task(
            number=found.payments_unfit,
            title=ngettext("Payment to decide about", "Payments to decide about", found.payments_unfit),
            hint=_("Money came that does not fit to its order, or nobody knows whether it came."),
            url=reverse("payment-queue"),
            action=_("Decide"),
            tone="warn",
        )
    yield from _job_tasks(jobs)
    if user.has_perm("providers.view_provideraccount"):
        for account in found.accounts_failing:
            yield Task(
                number=1,
                is_condition=True,
                title=_("%(account)s: the last call failed") % {"account": account},
                hint=account.last_failure[:160],
                url=reverse("provider-detail", args=[account.slug]),
                action=_("Look"),
                tone="danger",
            )
        yield from _balance_tasks(found)
    if user.has_perm("providers.view_webhookdelivery"):
        yield Task(
            number=found.deliveries_waiting,
            title=ngettext("Webhook delivery to look at", "Webhook deliveries to look at", found.deliveries_waiting),
            hint=_("Parked after failures, or not understood."),
            url=reverse("delivery-list"),
            action=_("Look"),
            tone="warn",
        )
    yield from _card_tasks(user, found)
    yield from _owed_tasks(user, found)
    if user.has_perm("catalog.view_syncrun"):
        yield from _sync_tasks(found)
    if user.has_perm("esims.view_esim"):
        yield from _line_tasks(found)
    if user.has_perm("orders.view_order"):
        yield Task(
            number=found.unpaid_long,
            title=_("Unpaid for more than a day"),
            hint=_("Record the payment or cancel the order."),
            url=f"{reverse('order-list')}?state=unpaid",
            action=_("See"),
            tone="neutral",
        )


def _owed_tasks(user: User, found: Attention) -> Iterator[Task]:
    if user.has_perm("orders.view_refund"):
        yield Task(
            number=found.refunds_hanging,
            title=ngettext(
                "Refund that hangs at the payment service",
                "Refunds that hang at the payment service",
                found.refunds_hanging,
            ),
            hint=_("On its way for more than a day: look in the service's own pages, then decide."),
            url=f"{reverse('refund-list')}?state=sending",
            action=_("Decide"),
            tone="warn",
        )
        yield Task(
            number=found.refunds_due,
            title=ngettext("Refund due", "Refunds due", found.refunds_due),
            hint=_say_amounts(found.refund_amounts),
            url=reverse("refund-list"),
            action=_("Pay back"),
            tone="warn",
        )
    if user.has_perm("orders.view_creditaccount"):
        yield Task(
            number=found.credit_overdue,
            title=ngettext(
                "Customer whose statement is overdue", "Customers whose statements are overdue", found.credit_overdue
            ),
            hint=_say_amounts(found.overdue_amounts),
            url=f"{reverse('credit-list')}?overdue=1",
            action=_("See"),
            tone="warn",
        )


def _say_amounts(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(
        f"{number_format(amount, decimal_pos=2, force_grouping=True)} {currency}"
        for currency, amount in amounts.items()
    )


def _card_tasks(user: User, found: Attention) -> Iterator[Task]:
    if user.has_perm("orders.view_dispute"):
        yield Task(
            number=found.disputes,
            title=ngettext("Dispute about a card payment", "Disputes about card payments", found.disputes),
            hint=_("The customer's bank takes the money back. Evidence is taken for some days only."),
            url=reverse("dispute-list"),
            action=_("Decide"),
            tone="danger",
        )
    if user.has_perm("orders.view_paymentdelivery"):
        yield Task(
            number=found.payment_calls_parked,
            title=ngettext("Payment call that is parked", "Payment calls that are parked", found.payment_calls_parked),
            hint=_("It could not be worked off: look at its error, then try again."),
            url=f"{reverse('payment-delivery-list')}?state=parked",
            action=_("Look"),
            tone="warn",
        )


def _balance_tasks(found: Attention) -> Iterator[Task]:
    for reading in found.balances_low:
        amount = f"{number_format(reading.amount, decimal_pos=2, force_grouping=True)} {reading.currency}"
        yield Task(
            number=1,
            is_condition=True,
            title=_("%(account)s: our balance is low") % {"account": reading.account},
            hint=_("%(amount)s are left: orders will be held when it does not suffice.") % {"amount": amount},
            url=reverse("provider-detail", args=[reading.account.slug]),
            action=_("See"),
            tone="warn",
        )


def _purchase_tasks(found: Attention) -> Iterator[Task]:
    queue = reverse("purchase-queue")
    yield Task(
        number=found.unknown,
        title=ngettext("Purchase with unknown outcome", "Purchases with unknown outcome", found.unknown),
        hint=_("Money may have been spent. Look at the provider's portal, then decide."),
        url=f"{queue}?kind=unknown",
        action=_("Decide"),
        tone="danger",
    )
    yield Task(
        number=found.held,
        title=ngettext("Held purchase", "Held purchases", found.held),
        hint=_("Paid by the customer, not bought yet: mend the cause, then resume."),
        url=f"{queue}?kind=held",
        action=_("Mend"),
        tone="warn",
    )
    yield Task(
        number=found.to_look_at,
        title=ngettext("Purchase to look at", "Purchases to look at", found.to_look_at),
        url=f"{queue}?kind=look",
        action=_("Look"),
        tone="warn",
    )
    yield Task(
        number=found.waiting_long,
        title=ngettext(
            "Purchase that waits long for its eSIMs", "Purchases that wait long for eSIMs", found.waiting_long
        ),
        url=f"{queue}?kind=waiting",
        action=_("Look"),
        tone="neutral",
    )


def _reconciliation_tasks(user: User, found: Attention) -> Iterator[Task]:
    if user.has_perm("orders.view_purchase") and user.has_perm("esims.view_esim"):
        yield _action_task(found)
    if user.has_perm("orders.view_difference"):
        yield _difference_task(found)


def _action_task(found: Attention) -> Task:
    return Task(
        number=found.actions_unknown,
        title=ngettext("Line action with unknown outcome", "Line actions with unknown outcome", found.actions_unknown),
        hint=_("A suspension, say, that was never confirmed: look at the line."),
        url=f"{reverse('purchase-queue')}?kind=actions",
        action=_("Look"),
        tone="warn",
    )


def _difference_task(found: Attention) -> Task:
    return Task(
        number=found.differences_open,
        title=ngettext("Difference with a provider", "Differences with providers", found.differences_open),
        hint=_("A line, a price or a balance that the two sides do not hold alike."),
        url=reverse("difference-list"),
        action=_("Look"),
        tone="warn",
    )


def _job_tasks(jobs: JobHealth) -> Iterator[Task]:
    home = reverse("dashboard")
    for queue in jobs.queues:
        if queue.is_silent or queue.is_late:
            yield Task(
                number=1,
                is_condition=True,
                title=_("Jobs of “%(queue)s” are not being done") % {"queue": queue.queue},
                hint=_("Start or restart its worker (qcluster)."),
                url=f"{home}#health-title",
                action=_("See"),
                tone="danger",
            )
    if not jobs.is_dispatching:
        yield Task(
            number=1,
            is_condition=True,
            title=_("Nothing wakes the jobs that are due"),
            hint=_("Start the loop: manage.py dispatch."),
            url=f"{home}#health-title",
            action=_("See"),
            tone="danger",
        )


def _sync_tasks(found: Attention) -> Iterator[Task]:
    for run in found.runs_asking:
        yield Task(
            number=1,
            is_condition=True,
            title=_("%(account)s: a sync asks whether plans may be retired") % {"account": run.account},
            hint=ngettext("%(n)d plan vanished", "%(n)d plans vanished", len(run.would_retire))
            % {"n": len(run.would_retire)},
            url=reverse("sync-run-detail", args=[run.pk]),
            action=_("Decide"),
            tone="warn",
        )
    for run in found.runs_failed:
        yield Task(
            number=1,
            is_condition=True,
            title=_("%(account)s: the last sync did not succeed") % {"account": run.account},
            hint=run.error[:160] or run.get_state_display(),
            url=reverse("sync-run-detail", args=[run.pk]),
            action=_("Look"),
            tone="warn",
        )


def _line_tasks(found: Attention) -> Iterator[Task]:
    lines = reverse("esim-list")
    yield Task(
        number=found.lines_in_error,
        title=ngettext("Faulty eSIM", "Faulty eSIMs", found.lines_in_error),
        hint=_("The provider reports a fault: the customer may be waiting."),
        url=f"{lines}?state=error",
        action=_("See"),
        tone="danger",
    )
    yield Task(
        number=found.deadline_near,
        title=ngettext(
            "eSIM to be installed within 14 days", "eSIMs to be installed within 14 days", found.deadline_near
        ),
        hint=_("They end unused after their deadline: remind the customers."),
        url=f"{lines}?install_within={DEADLINE_NEAR_DAYS}",
        action=_("See"),
        tone="neutral",
    )
