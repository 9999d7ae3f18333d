"""Staff: who they are, inviting them, and what administrators do about their accounts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.access import NothingHere, staff_page
from customers.forms_staff import InviteForm, NoReasonForm, RoleForm, StaffReasonForm
from customers.inviting import withdraw_invitation
from customers.locking import unlock
from customers.models import User
from customers.roles import ROLES, find_role
from customers.staff_list import (
    find_open_invitation,
    find_staff,
    look_at_events,
    look_at_news,
    look_at_sessions,
    look_at_staff,
)
from customers.staffing import (
    PERMISSION,
    StaffRefused,
    change_role,
    deactivate_staff,
    end_staff_session,
    reactivate_staff,
    remove_second_factor,
    sign_out_staff,
)
from orders.inviting import invite_again, invite_staff
from orders.notice_invitations import find_last_message
from orders.views.requests import person

PAGE_SIZE = 100


@require_safe
@staff_page("customers.view_user")
def staff_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(find_staff(), PAGE_SIZE).get_page(request.GET.get("page"))
    news = look_at_news() if request.user.has_perm("customers.view_staffevent") else []
    rows = look_at_staff(request, list(page.object_list), reader=person(request))
    return render(request, "staff/list.html", {"page": page, "rows": rows, "news": news, "roles": ROLES.values()})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def staff_invite(request: HttpRequest) -> HttpResponse:
    form = InviteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            invitation = invite_staff(**form.cleaned_data, by=person(request))
        except StaffRefused as refused:
            form.add_error("email", refused.message)
        else:
            messages.success(request, _("%(email)s is invited.") % {"email": invitation.user.email})
            return redirect("staff-detail", invitation.user_id)
    return render(request, "staff/invite.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@staff_page("customers.view_user")
def staff_detail(request: HttpRequest, pk: int) -> HttpResponse:
    user = _find(pk)
    (look,) = look_at_staff(request, [user], reader=person(request))
    may_see_sessions = request.user.has_perm("usersessions.view_usersession")
    context = {
        "look": look,
        "invitation": find_open_invitation(user),
        "message": find_last_message(user),
        "role": find_role(user),
        "sessions": look_at_sessions(user, here=request.session.session_key or "") if may_see_sessions else None,
        "events": look_at_events(user) if request.user.has_perm("customers.view_staffevent") else None,
    }
    return render(request, "staff/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def staff_role(request: HttpRequest, pk: int) -> HttpResponse:
    user = _find(pk)
    role = find_role(user)
    form = RoleForm(
        request.POST if request.method == "POST" else None, initial={"role": role.slug if role is not None else ""}
    )
    if request.method == "POST" and form.is_valid():
        try:
            change_role(user=user, role=form.cleaned_data["role"], by=person(request))
        except StaffRefused as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, _("The role is given; it counts from the next page on."))
        return redirect("staff-detail", pk)
    context = {
        **_confirmation(user, _("Change the role of %(name)s"), _("Give this role")),
        "consequences": [_("It takes the place of all that the person was allowed before, rights of their own too.")],
        "form": form,
    }
    return render(request, "components/confirm.html", context, status=422 if form.errors else 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that is done to an account after one more question. ``run`` returns what is said afterwards."""

    title: Promise
    action: Promise
    consequences: Sequence[Promise]
    run: Callable[[HttpRequest, User, str], str]
    asks_why: bool = False
    danger: bool = False
    #: Where one comes out, if not on the person's page.
    leads_to_list: bool = False


def _deactivate(request: HttpRequest, user: User, why: str) -> str:
    deactivate_staff(user=user, why=why, by=person(request))
    return _("The account is closed, and all its sign-ins have ended.")


def _reactivate(request: HttpRequest, user: User, _why: str) -> str:
    reactivate_staff(user=user, by=person(request))
    return _("The account is open again.")


def _invite_again(request: HttpRequest, user: User, _why: str) -> str:
    invite_again(user=user, by=person(request))
    return _("A fresh link is on its way; that of before opens no more.")


def _withdraw(request: HttpRequest, user: User, _why: str) -> str:
    withdraw_invitation(user=user, by=person(request))
    return _("The invitation is withdrawn.")


def _sign_out(request: HttpRequest, user: User, _why: str) -> str:
    count = sign_out_staff(user=user, by=person(request))
    return ngettext("%(count)d sign-in has ended.", "%(count)d sign-ins have ended.", count) % {"count": count}


def _remove_factor(request: HttpRequest, user: User, why: str) -> str:
    remove_second_factor(user=user, why=why, by=person(request))
    return _("The second factor is removed; the person sets up a new one at the next sign-in.")


def _unlock(request: HttpRequest, user: User, _why: str) -> str:
    unlock(request, user, by=person(request))
    return _("The person can sign in again.")


STEPS: Mapping[str, Step] = {
    "deactivate": Step(
        title=gettext_lazy("Deactivate %(name)s"),
        action=gettext_lazy("Deactivate the account"),
        consequences=[
            gettext_lazy("All sign-ins of this person end at once, in the console and in the app; none is possible."),
            gettext_lazy("What they have done stays in the books under their name."),
        ],
        run=_deactivate,
        asks_why=True,
        danger=True,
    ),
    "reactivate": Step(
        title=gettext_lazy("Reactivate %(name)s"),
        action=gettext_lazy("Open the account again"),
        consequences=[gettext_lazy("The person signs in with the password of before and has the role of before.")],
        run=_reactivate,
    ),
    "invite-again": Step(
        title=gettext_lazy("Invite %(name)s again"),
        action=gettext_lazy("Send a fresh link"),
        consequences=[gettext_lazy("The link that was sent before opens no more.")],
        run=_invite_again,
    ),
    "withdraw": Step(
        title=gettext_lazy("Withdraw the invitation of %(name)s"),
        action=gettext_lazy("Withdraw the invitation"),
        consequences=[
            gettext_lazy("The link opens no more, and the account is taken away. The address can be invited anew.")
        ],
        run=_withdraw,
        danger=True,
        leads_to_list=True,
    ),
    "sign-out": Step(
        title=gettext_lazy("Sign %(name)s out everywhere"),
        action=gettext_lazy("End all sign-ins"),
        consequences=[
            gettext_lazy("All sign-ins of this person end, in the console and in the app; they may sign in again.")
        ],
        run=_sign_out,
    ),
    "remove-factor": Step(
        title=gettext_lazy("Remove the second factor of %(name)s"),
        action=gettext_lazy("Remove the second factor"),
        consequences=[
            gettext_lazy("For who has lost the phone: be sure who is asking."),
            gettext_lazy("All sign-ins of this person end; the password alone lets them in until a new one is set up."),
        ],
        run=_remove_factor,
        asks_why=True,
        danger=True,
    ),
    "unlock": Step(
        title=gettext_lazy("Let %(name)s sign in again"),
        action=gettext_lazy("Unlock"),
        consequences=[gettext_lazy("The failed attempts are forgotten, also where they were somebody else's.")],
        run=_unlock,
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(PERMISSION)
def staff_step(request: HttpRequest, pk: int, step: str) -> HttpResponse:
    """One of ``STEPS``: ask once more, then do it."""
    user = _find(pk)
    if step not in STEPS:
        raise NothingHere(_("There is no such step."))
    asked = STEPS[step]
    form_class: type[forms.Form] = StaffReasonForm if asked.asks_why else NoReasonForm
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            said = asked.run(request, user, form.cleaned_data.get("why", ""))
        except StaffRefused as refused:
            messages.error(request, refused.message)
            return redirect("staff-detail", pk)
        messages.success(request, said)
        return redirect("staff-list") if asked.leads_to_list else redirect("staff-detail", pk)
    context = {
        **_confirmation(user, str(asked.title), str(asked.action)),
        "consequences": asked.consequences,
        "danger": asked.danger,
        "form": form,
    }
    return render(request, "components/confirm.html", context, status=422 if form.errors else 200)


@require_POST
@staff_page(PERMISSION)
def staff_session_end(request: HttpRequest, pk: int, session: int) -> HttpResponse:
    """End one sign-in of somebody else."""
    try:
        if end_staff_session(user=_find(pk), pk=session, by=person(request)):
            messages.success(request, _("The sign-in has ended."))
    except StaffRefused as refused:
        messages.error(request, refused.message)
    return redirect("staff-detail", pk)


def _confirmation(user: User, title: str, action: str) -> dict[str, object]:
    return {
        "title": title % {"name": user},
        "text": user.email,
        "action": action,
        "cancel_url": reverse("staff-detail", args=[user.pk]),
    }


def _find(pk: int) -> User:
    return get_object_or_404(find_staff(), pk=pk)
