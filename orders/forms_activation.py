"""The activation form on pages: the provider's fields as it describes them, and what our side asks beside them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.forms_decisions import RemarkForm
from orders.forms_sale import BuyForm
from providers.activation_form import FieldKind, FormCheck, FormDescription, FormField

#: The word by which a button, or htmx, asks for the fields of another choice instead of sending the form.
ACTION, SHOW_FIELDS = "action", "fields"
FRAGMENT_ID = "activation-fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundGroup:
    """A group of fields as the template draws it."""

    title: SafeString
    fields: Sequence[BoundField]


class ProviderForm(forms.Form):
    """The provider's fields with what was typed. It judges nothing itself: ``show_check`` tells the provider's word.

    Labels hold both languages; what was put right or is doubted stands in a field's hint. Secrets are never filled in.
    """

    use_required_attribute = False

    def __init__(self, values: Mapping[str, str], *, description: FormDescription, address: str) -> None:
        shown = {field.name: values.get(field.name, "") for field in description.fields}
        super().__init__(
            {name: value or description.initial.get(name, "") for name, value in shown.items()}, label_suffix=""
        )
        self._description = description
        for field in description.fields:
            self.fields[field.name] = _make_field(field, description.native_language, address)

    @property
    def groups(self) -> list[BoundGroup]:
        return [
            BoundGroup(
                title=_say_twice(group.label, group.native_label, self._description.native_language),
                fields=[self[one.name] for one in group.fields],
            )
            for group in self._description.groups
        ]

    @property
    def values(self) -> dict[str, str]:
        """What was typed, exactly; only of fields that belong into the form now."""
        return {name: str(self.data.get(name, "")) for name in self.fields}

    def show_check(self, check: FormCheck) -> None:
        """Show what is wrong at its field, and fill in what was put right."""
        for correction in check.corrections:
            self._add_note(correction.field, _say_correction(correction.old, correction.new, correction.why))
            self.data = {**self.data, correction.field: correction.new}
        for doubt in check.warnings:
            self._add_note(doubt.field, format_html('<span class="doubted">{}</span>', doubt.message))
        for problem in check.problems:
            self.show_problem(problem.field, problem.message)

    def show_problem(self, name: str, message: str | Promise) -> None:
        if name in self.fields:
            self.add_error(name, str(message))
        else:
            # Of a value that nobody types here, such as the plan's code.
            self.add_error(None, f"{name}: {message}" if name else str(message))

    def _add_note(self, name: str, note: SafeString) -> None:
        if field := self.fields.get(name):
            notes = [(part,) for part in (field.help_text, note) if part]
            field.help_text = format_html_join(mark_safe("<br>"), "{}", notes)


class _Unjudged(forms.CharField):
    """Whatever was typed, with its spaces: the provider's rules judge it. ``required`` is for the label only."""

    def clean(self, value: Any) -> str:
        return str(value or "")


class ActivationSaleForm(BuyForm):
    """What our side asks: payment and note. ``seen`` names the doubts that the page has shown."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)


class CorrectionForm(RemarkForm):
    """What our side asks where a form is put right."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)


class ActivationFilterForm(forms.Form):
    """The filters of the list; the address holds them."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=40,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": gettext_lazy("Delivery code, end of the EID, order number")}
        ),
    )
    show = forms.ChoiceField(
        label=gettext_lazy("Show"),
        required=False,
        choices=[("", gettext_lazy("All, open ones first")), ("open", gettext_lazy("Open ones only"))],
    )


class CompletionUploadForm(forms.Form):
    """A completion file, and whose it is."""

    account = forms.ChoiceField(label=gettext_lazy("Provider account"))
    file = forms.FileField(
        label=gettext_lazy("Completion file"),
        allow_empty_file=True,
        help_text=gettext_lazy("The CSV file as the provider made it, CP932 or UTF-8."),
        error_messages={"required": gettext_lazy("Choose the file.")},
    )

    def __init__(self, *args: Any, accounts: Sequence[tuple[str, str]], most_bytes: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most_bytes = most_bytes
        chosen = self.fields["account"]
        if isinstance(chosen, forms.ChoiceField):
            chosen.choices = list(accounts)
        if len(accounts) == 1:
            chosen.widget, chosen.initial = forms.HiddenInput(), accounts[0][0]

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > self._most_bytes:
            message = _("This file is larger than %(most)s KB: import it with “manage.py import_completions”.")
            raise forms.ValidationError(message % {"most": self._most_bytes // 1024})
        return file


def sign_doubts(check: FormCheck) -> str:
    """A word for exactly these doubts about exactly these values; "" where there are none."""
    if not check.warnings:
        return ""
    doubts = [(doubt.field, doubt.message, check.values.get(doubt.field, "")) for doubt in check.warnings]
    return hashlib.sha256(json.dumps(doubts).encode()).hexdigest()[:32]


def _make_field(field: FormField, language: str, address: str) -> forms.Field:
    attrs: dict[str, Any] = {"autocomplete": "off"}
    if field.decides:
        # Other fields belong into the form then; without JavaScript a button asks for them.
        attrs |= {
            "hx-post": address,
            "hx-trigger": "change",
            "hx-target": f"#{FRAGMENT_ID}",
            "hx-swap": "outerHTML",
            # The last choice counts, whichever answer would come first.
            "hx-sync": "closest form:replace",
            "hx-vals": json.dumps({ACTION: SHOW_FIELDS}),
        }
    if field.kind is not FieldKind.CHOICE:
        attrs["spellcheck"] = "false"
    choices = [(one.value, _say_twice(one.label, one.native_label, language)) for one in field.choices]
    plain_choices = [(one.value, f"{one.label} {one.native_label}") for one in field.choices]
    widget: forms.Widget
    match field.kind:
        case FieldKind.CHOICE if field.is_required:
            widget = forms.RadioSelect(attrs=attrs, choices=choices)
        case FieldKind.CHOICE:
            # Inside an option no markup is allowed.
            widget = forms.Select(attrs=attrs, choices=[("", _("not said")), *plain_choices])
        case FieldKind.SECRET:
            # Kept in the browser while htmx draws the other fields; it never comes back from here.
            widget = forms.PasswordInput(attrs={**attrs, "autocomplete": "new-password", "hx-preserve": "true"})
        case FieldKind.DIGITS:
            widget = forms.TextInput(attrs={**attrs, "inputmode": "numeric", "class": "code"})
        case _:
            widget = forms.TextInput(attrs=attrs)
    hints = [str(field.hint)] if field.hint else []
    if field.is_alternative:
        hints.append(_("One of the two, not both."))
    if field.kind is FieldKind.SECRET:
        hints.append(_("Not kept on this page: type it each time that the form is sent."))
    return _Unjudged(
        label=_say_twice(field.label, field.native_label, language),
        required=field.is_required or field.is_alternative,
        strip=False,
        widget=widget,
        help_text=" · ".join(hints),
    )


def _say_twice(label: str, native_label: str, language: str) -> SafeString:
    """In English and in the language of the provider's form, whoever reads."""
    twice = '<span lang="en">{}</span> <span class="native" lang="{}">{}</span>'
    return format_html(twice, label, language, native_label)


def _say_correction(old: str, new: str, why: str) -> SafeString:
    words = _("Put right: “%(old)s” became “%(new)s”.") % {"old": old, "new": new}
    return format_html('<span class="put-right">{} {}</span>', words, why)
