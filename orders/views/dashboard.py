"""The first page: what needs a person now, and how things go."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from customers.access import staff_page
from customers.models import User
from orders.health import JobHealth, QueueHealth, job_health
from orders.selectors.dashboard import Dashboard, is_failing, read_dashboard
from orders.views.dashboard_tasks import find_tasks
from orders.views.requests import person


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One thing behind the scenes and how it is."""

    label: str
    word: str
    tone: str
    note: str = ""
    url: str = ""


@require_safe
@staff_page()
def dashboard(request: HttpRequest) -> HttpResponse:
    user = person(request)
    page, jobs = read_dashboard(), job_health()
    context = {
        "page": page,
        "tasks": [task for task in find_tasks(user, page.attention, jobs) if task.number],
        "health": [*_job_vitals(jobs), *_account_vitals(user, page)],
        "margin": page.month.margins if user.has_perm("catalog.set_price") else {},
    }
    return render(request, "orders/dashboard.html", context)


def _job_vitals(jobs: JobHealth) -> Iterator[Vital]:
    yield Vital(
        label=_("Dispatcher"),
        word=_("runs") if jobs.is_dispatching else _("silent"),
        tone="ok" if jobs.is_dispatching else "danger",
    )
    for queue in jobs.queues:
        yield Vital(
            label=_("Worker of “%(queue)s”") % {"queue": queue.queue},
            word=_queue_word(queue),
            tone="danger" if queue.is_silent or queue.is_late else "ok" if queue.last_beat else "neutral",
            note=_queue_note(queue),
        )


def _queue_word(queue: QueueHealth) -> str:
    if queue.is_silent:
        return _("silent")
    if queue.is_late:
        return _("late")
    return _("answers") if queue.last_beat else _("not asked yet")


def _queue_note(queue: QueueHealth) -> str:
    if not queue.waiting:
        return _("No job waits.")
    words = ngettext("%(n)d job waits", "%(n)d jobs wait", queue.waiting) % {"n": queue.waiting}
    seconds = int((queue.oldest_wait or timedelta()).total_seconds())
    return _("%(jobs)s, the oldest for %(seconds)d s.") % {"jobs": words, "seconds": seconds}


def _account_vitals(user: User, page: Dashboard) -> Iterator[Vital]:
    may_open = user.has_perm("providers.view_provideraccount")
    for account in page.accounts:
        failing = is_failing(account)
        if account.is_paused:
            word, tone = _("paused"), "warn"
        elif failing:
            word, tone = _("failing"), "danger"
        elif account.last_success_at:
            word, tone = _("works"), "ok"
        else:
            word, tone = _("not called yet"), "neutral"
        yield Vital(
            label=account.name,
            word=word,
            tone=tone,
            note=account.last_failure[:160] if failing else "",
            url=reverse("provider-detail", args=[account.slug]) if may_open else "",
        )
