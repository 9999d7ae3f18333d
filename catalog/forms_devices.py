"""What staff type of the list of devices."""

from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.device_files import MOST_BYTES
from catalog.devices import TERMS, complete_device
from catalog.models import DeviceModel

if TYPE_CHECKING:
    _DeviceModelForm = forms.ModelForm[DeviceModel]
else:
    # Not subscriptable at run time.
    _DeviceModelForm = forms.ModelForm


class DeviceForm(_DeviceModelForm):
    """One model. It is never saved: the view hands ``read_device`` to a verb."""

    class Meta:
        model = DeviceModel
        fields = TERMS
        help_texts = {
            "name": _("As customers know it, without the maker: Galaxy S23."),
            "none_in": _("Country codes of two letters with spaces between them, such as CN TW."),
            "aliases": _("One on each line."),
            "codes": _("One on each line, such as SM-S911B; SM-S911* stands for all that begin with it."),
            "note": _("Shown to customers."),
            "note_ja": _("Shown to customers who read Japanese; empty: the English one is."),
            "source": _("Who says so: a page of the maker, a test of ours."),
        }
        widgets = {
            "aliases": forms.Textarea(attrs={"rows": 2}),
            "codes": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "none_in": forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false"}),
            "checked_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial.setdefault("checked_on", timezone.localdate())

    def clean(self) -> dict[str, Any]:
        """The admin saves without asking again: what the verb will say is said here."""
        given = super().clean() or self.cleaned_data
        if not self.errors:
            # A copy: the form writes what was typed into its own one only when all of it is right.
            device = copy(self.instance)
            for name in TERMS:
                setattr(device, name, given[name])
            try:
                complete_device(device, by="")
                device.full_clean(exclude=["changed_by"])
            except ValidationError as error:
                self.add_refusal(error)
        return given

    def read_device(self) -> DeviceModel:
        """The model with what was typed, not saved."""
        return self.instance

    def add_refusal(self, error: ValidationError) -> None:
        """What the verb said, at the fields that it is about."""
        for name, messages in error.message_dict.items():
            text = [_("This model is on the list already.")] if name == "identity" else messages
            self.add_error("name" if name == "identity" else name if name in self.fields else None, text)


class DeviceFilterForm(forms.Form):
    """The list's filter."""

    q = forms.CharField(
        label=_("Model, other name or code"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    ability = forms.ChoiceField(label=_("eSIM"), required=False, choices=[("", _("any")), *DeviceModel.Ability.choices])


class DeviceFileForm(forms.Form):
    """A file, or what was in the one that was looked through just now."""

    file = forms.FileField(label=_("CSV file"), widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}))
    #: Kept on the page between the look and the import: nothing is stored meanwhile.
    text = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = not self.data.get("text")

    def clean_file(self) -> Any:
        file = self.cleaned_data.get("file")
        if file is not None and file.size > MOST_BYTES:
            raise ValidationError(_("The file is too large."))
        return file

    def read_data(self) -> bytes:
        """The file's bytes."""
        file = self.cleaned_data.get("file")
        return bytes(file.read()) if file is not None else str(self.cleaned_data["text"]).encode()
