"""One turn of a page with a provider's form: shown, drawn anew for another choice, or sent.

What was put right, or is doubted, is shown first: only a form that comes back as it was shown goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from customers.access import is_partial
from orders.activations import FormNotReady
from orders.forms_activation import ACTION, FRAGMENT_ID, SHOW_FIELDS, ProviderForm, sign_doubts
from providers.activation_form import ActivationRules, FormCheck, FormDescription

Values = Mapping[str, str]
#: Our side's half of the form: bound to what was posted, or new (None).
OpenOurs = Callable[[Mapping[str, Any] | None], forms.Form]


@dataclass(slots=True, kw_only=True)
class FormTurn:
    """Both halves of the form as the page shows them, and what may be done next."""

    description: FormDescription
    form: ProviderForm
    ours: forms.Form
    #: The form may be sent as it is.
    is_ready: bool = False
    #: It was put right or is doubted: the page asks to look and to send it once more.
    asks: bool = False
    #: Only the fields are wanted.
    is_fragment: bool = False
    status: int = 200

    def show_check(self, error: FormNotReady) -> None:
        """The verb judged otherwise than we just did: midnight in Japan was in between."""
        self.form.show_check(error.check)
        self.status = 422

    def show_refusal(self, message: str, field: str) -> None:
        """A verb's refusal, at the field that it names."""
        if field in self.ours.fields and field not in self.form.fields:
            self.ours.add_error(field, message)
        else:
            self.form.show_problem(field, message)
        self.status = 409 if field == "price" else 422

    def context(self) -> dict[str, Any]:
        halves = (self.form, self.ours)
        entries = [
            {"target": bound.id_for_label or bound.auto_id, "label": bound.label, "message": message}
            for half in halves
            for bound in half
            for message in bound.errors
        ]
        return {
            # One summary for both halves, as components/error_summary.html shows it.
            "entries": entries,
            "general": [message for half in halves for message in half.non_field_errors()],
            "form": self.form,
            "ours": self.ours,
            "refusal": self.description.refusal,
            "asks": self.asks,
            "fragment_id": FRAGMENT_ID,
        }


def take_turn(
    request: HttpRequest, *, rules: ActivationRules, settled: Mapping[str, Any], start: Values, open_ours: OpenOurs
) -> FormTurn:
    """Read what was asked of the page. ``start`` is what the form begins with; ``settled`` is what is sold."""
    posted = request.POST.dict() if request.method == "POST" else None
    values = start if posted is None else posted
    description = rules.describe(values, **settled)
    form = ProviderForm(values, description=description, address=request.get_full_path())
    if posted is None:
        return FormTurn(description=description, form=form, ours=open_ours(None))
    if posted.get(ACTION) == SHOW_FIELDS:
        turn = FormTurn(description=description, form=form, ours=open_ours(None), is_fragment=is_partial(request))
        turn.ours.initial = {**turn.ours.initial, **{name: posted[name] for name in turn.ours.fields if name in posted}}
        return turn
    check = rules.check(form.values, **settled, now=timezone.now())
    return _judge(FormTurn(description=description, form=form, ours=open_ours(posted)), check, posted, open_ours)


def _judge(turn: FormTurn, check: FormCheck, posted: Mapping[str, Any], open_ours: OpenOurs) -> FormTurn:
    doubts = sign_doubts(check)
    has_faults = bool(check.problems) or not turn.ours.is_valid()
    is_as_shown = check.is_ready and doubts in ("", posted.get("seen", ""))
    if is_as_shown and not has_faults:
        turn.is_ready = True
        return turn
    turn.form.show_check(check)
    # From here on these doubts are seen.
    turn.ours = open_ours({**posted, "seen": doubts})
    turn.ours.is_valid()
    turn.asks = not has_faults
    turn.status = 422 if has_faults else 200
    return turn
