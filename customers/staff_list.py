"""Staff as administrators see them: the list, and one person with what happened to the account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.agents import describe_agent
from customers.devices import find_sessions
from customers.locking import find_locked
from customers.models import StaffEvent, StaffInvitation, User
from customers.roles import ROLES, find_role
from customers.staffing import why_not_touched

INVITED, EXPIRED, ACTIVE, CLOSED = "invited", "expired", "active", "closed"
_STATES: dict[str, tuple[Promise, str]] = {
    INVITED: (gettext_lazy("invited"), "info"),
    EXPIRED: (gettext_lazy("invitation expired"), "warn"),
    ACTIVE: (gettext_lazy("can sign in"), "ok"),
    CLOSED: (gettext_lazy("deactivated"), "neutral"),
}
_EVENTS_SHOWN, _NEWS_SHOWN = 100, 20
#: What is stored in ``StaffEvent.facts`` under "from" for an account with all rights.
_SUPERUSER = "superuser"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffLook:
    """A member of staff, as the list and the person's page show them."""

    user: User
    role: str
    state: str
    has_factor: bool
    #: Minutes for which sign-ins are refused yet; 0: they are not.
    locked_minutes: int
    #: Why the reader may change nothing here; "" where they may.
    untouchable: str

    @property
    def state_words(self) -> str:
        return str(_STATES[self.state][0])

    @property
    def tone(self) -> str:
        return _STATES[self.state][1]

    @property
    def is_invited(self) -> bool:
        return self.state in (INVITED, EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLook:
    """A sign-in."""

    pk: int
    agent: str
    address: str
    since: Any
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLook:
    """An event, as the timeline wants it."""

    title: str
    at: Any
    by: str
    why: str
    tone: str


def find_staff() -> QuerySet[User]:
    """All members of staff: who can sign in first, then by name."""
    staff = User.objects.filter(is_staff=True).select_related("invitation").prefetch_related("groups")
    return staff.order_by("-is_active", "first_name", "email")


def look_at_staff(request: HttpRequest, users: Sequence[User], *, reader: User) -> list[StaffLook]:
    """In the order of ``users``, in a number of queries that does not grow with them."""
    kind = Authenticator.Type.TOTP
    with_factor = set(Authenticator.objects.filter(user__in=users, type=kind).values_list("user_id", flat=True))
    locked = find_locked(request, users)
    return [
        StaffLook(
            user=user,
            role=_role_words(user),
            state=_state_of(user),
            has_factor=user.pk in with_factor,
            locked_minutes=-(-locked.get(user.pk, 0) // 60),
            untouchable=why_not_touched(user, reader),
        )
        for user in users
    ]


def look_at_sessions(user: User, *, here: str) -> list[SessionLook]:
    """Where somebody is signed in. ``here`` is the session of the reader's own browser."""
    return [_look_at_session(session, here) for session in find_sessions(user)]


def look_at_events(user: User) -> list[EventLook]:
    """What happened to the account, the newest first."""
    return [_look_at_event(event) for event in StaffEvent.objects.filter(user=user)[:_EVENTS_SHOWN]]


def look_at_news() -> list[EventLook]:
    """What happened lately to whose account, also to such as are gone."""
    return [_look_at_event(event, whose=event.email) for event in StaffEvent.objects.all()[:_NEWS_SHOWN]]


def find_open_invitation(user: User) -> StaffInvitation | None:
    return StaffInvitation.objects.filter(user=user, accepted_at=None).first()


def _look_at_session(session: UserSession, here: str) -> SessionLook:
    return SessionLook(
        pk=session.pk,
        agent=describe_agent(session.user_agent),
        address=session.ip,
        since=session.created_at,
        is_here=session.session_key == here,
    )


def _look_at_event(event: StaffEvent, *, whose: str = "") -> EventLook:
    title = event.get_kind_display()
    if "role" in event.facts:
        before, after = (_name_role(event.facts.get(name, "")) for name in ("from", "role"))
        title = f"{title}: {before} → {after}" if before else f"{title}: {after}"
    if "fields" in event.facts:
        title = f"{title}: {', '.join(event.facts['fields'])}"
    if whose:
        title = f"{whose}: {title}"
    bad = (StaffEvent.Kind.DEACTIVATED, StaffEvent.Kind.LOCKED, StaffEvent.Kind.FACTOR_REMOVED)
    tone = "warn" if event.kind in bad else ""
    return EventLook(title=title, at=event.at, by=event.by, why=event.why, tone=tone)


def _name_role(slug: str) -> str:
    if slug == _SUPERUSER:
        return _("all rights")
    return str(ROLES[slug].label) if slug in ROLES else ""


def _role_words(user: User) -> str:
    if user.is_superuser:
        return _("all rights")
    role = find_role(user)
    if role is not None:
        return str(role.label)
    groups: Iterable[Group] = user.groups.all()
    return ", ".join(group.name for group in groups) or _("rights of their own")


def _state_of(user: User) -> str:
    if user.is_active:
        return ACTIVE
    invitation = getattr(user, "invitation", None)
    if invitation is None or invitation.accepted_at is not None:
        return CLOSED
    return INVITED if invitation.expires_at > timezone.now() else EXPIRED
