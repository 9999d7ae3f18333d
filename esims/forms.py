"""Forms about lines."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from esims.action_rules import LONGEST_MESSAGE, ActionRule
from esims.models import STATE_CHOICES, Esim
from esims.search import DEADLINE_NEAR_DAYS, LineFilter
from esims.states import japan_today
from providers.models import ProviderAccount
from providers.types import Capability

MB = 1024**2
#: More days than this are not typed in by hand.
MOST_DAYS = 31


class LineFilterForm(forms.Form):
    """The list's filters, from the address. What cannot be read narrows nothing."""

    q = forms.CharField(
        label=_("ICCID or its last digits, customer, plan"),
        max_length=120,
        required=False,
        widget=forms.TextInput({"type": "search", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(label=_("State"), choices=[("", _("all")), *STATE_CHOICES], required=False)
    account = forms.ModelChoiceField(
        label=_("Provider"), queryset=ProviderAccount.objects.all(), empty_label=_("all"), required=False
    )
    install_within = forms.TypedChoiceField(
        label=_("To be installed"),
        choices=[
            ("", _("any time")),
            ("3", _("within 3 days")),
            (str(DEADLINE_NEAR_DAYS), _("within 14 days")),
            ("30", _("within 30 days")),
        ],
        coerce=int,
        empty_value=None,
        required=False,
    )
    customer = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def wanted(self) -> LineFilter:
        """The filter; a field that is not valid counts as empty."""
        self.is_valid()
        values: dict[str, Any] = self.cleaned_data
        account = values.get("account")
        return LineFilter(
            state=values.get("state") or "",
            account_id=account.pk if account else None,
            customer_id=values.get("customer"),
            text=values.get("q") or "",
            install_within_days=values.get("install_within"),
        )


class ActionForm(forms.Form):
    """Why an action is asked for: it goes onto the timeline. What cannot be taken back is confirmed a second time, by
    the end of the line's number; an SMS has its text.
    """

    message = forms.CharField(
        label=_("Text of the SMS"),
        max_length=LONGEST_MESSAGE,
        widget=forms.Textarea({"rows": 4}),
        help_text=_("At most %(count)s characters. It is kept with the line's actions.") % {"count": LONGEST_MESSAGE},
    )
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Written on the line's timeline, with your name."),
        max_length=300,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    number_end = forms.CharField(
        label=_("Last four digits of the line's number"),
        max_length=8,
        widget=forms.TextInput({"autocomplete": "off", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, rule: ActionRule, esim: Esim | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = (esim.iccid or esim.provider_ref) if esim is not None else ""
        if rule.capability is not Capability.SMS:
            del self.fields["message"]
        if not rule.is_final or esim is None:
            del self.fields["number_end"]
        else:
            self.fields["number_end"].help_text = _(
                "It cannot be taken back. Type the last four digits of %(number)s to confirm it."
            ) % {"number": self._number}

    def clean_number_end(self) -> str:
        """Typed from the number itself: a click alone is not enough."""
        end: str = self.cleaned_data["number_end"].strip()
        if end != self._number[-4:]:
            raise forms.ValidationError(_("These are not the last four digits of this line's number."))
        return end


class SimulatedUsageForm(forms.Form):
    """Usage of a sandbox line: the same amount on some days in a row. 1 MB is 1,024 KB."""

    megabytes = forms.DecimalField(
        label=_("MB on each day"), min_value=Decimal(0), max_value=Decimal(1_000_000), decimal_places=2
    )
    last_day = forms.DateField(label=_("Last day"), widget=forms.DateInput({"type": "date"}))
    days = forms.IntegerField(label=_("Number of days"), min_value=1, max_value=MOST_DAYS, initial=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["last_day"].initial = japan_today

    def clean_last_day(self) -> date:
        """A day that has been: nobody uses data tomorrow."""
        day: date = self.cleaned_data["last_day"]
        if day > japan_today():
            raise forms.ValidationError(_("This day is still to come (in Japan)."))
        if day.year < 2000:
            raise forms.ValidationError(_("This day is too long ago."))
        return day

    def usage(self) -> dict[date, int]:
        """Bytes by day, whole kilobytes."""
        kilobytes = int(self.cleaned_data["megabytes"] * 1024)
        last: date = self.cleaned_data["last_day"]
        days: int = self.cleaned_data["days"]
        return {last - timedelta(days=back): kilobytes * 1024 for back in range(days)}
