"""The list of devices: entering, changing and deleting models, and finding one by what a person types of it.

Written differently is the same: "Galaxy S23+", "galaxy s23 plus" and "GalaxyS23Plus" are compared without case, spaces
and signs. A code of the maker finds a model as well, also one that a browser tells of its phone.
"""

import re
import unicodedata

import structlog
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.codes import validate_country_code
from catalog.models import DeviceModel

log = structlog.get_logger(__name__)

#: What a person may say of a model; the rest is worked out.
TERMS = ("maker", "name", "ability", "none_in", "aliases", "codes", "note", "note_ja", "source", "checked_on")
_DERIVED = ("identity", "search_key", "changed_by", "changed_at")
#: What a search looks at of a typed text; nobody's phone has a longer name.
_LONGEST_QUERY, _MOST_WORDS = 80, 8
#: How much of a code there may be before the * for all that begin with it.
_SHORTEST_STEM, _LONGEST_STEM = 4, 12
_BROWSER_MODEL = re.compile(r"Android [0-9.]+; (?:[a-z]{2}[-_][A-Za-z]{2}; )?([^;)]{2,40}?)(?: Build/[^;)]*)?[;)]")


def save_device(*, device: DeviceModel, by: str) -> DeviceModel:
    """Write a model, new or changed. ``ValidationError`` by field; one maker has one model of a name."""
    complete_device(device, by=by)
    device.full_clean()
    if device.pk is None:
        device.save()
    else:
        device.save(update_fields=[*TERMS, *_DERIVED])
    return device


def delete_device(*, device: DeviceModel, by: str) -> None:
    """Take a model off the list."""
    name = str(device)
    device.delete()
    log.info("device_model_deleted", model=name, by=by)


def complete_device(device: DeviceModel, *, by: str) -> None:
    """Bring what was typed into its form, and set what is worked out from it. Nothing is written."""
    for field in ("maker", "name", "note", "note_ja", "source"):
        setattr(device, field, " ".join(str(getattr(device, field)).split()))
    device.aliases, device.codes = ("\n".join(split_names(text)) for text in (device.aliases, device.codes))
    device.none_in = " ".join(sorted(set(re.split(r"[\s,;、，]+", device.none_in.upper())) - {""}))
    stems = [len(squeeze(code)) for code in split_names(device.codes) if code.endswith("*")]
    if not all(_SHORTEST_STEM <= length <= _LONGEST_STEM for length in stems):
        raise ValidationError({"codes": _("Before a * stand 4 to 12 letters and digits.")})
    for code in device.none_in.split():
        try:
            validate_country_code(code)
        except ValidationError as error:
            raise ValidationError({"none_in": error.messages}) from error
    maker, name = squeeze(device.maker), squeeze(device.name)
    if not maker or not name:
        raise ValidationError({"maker" if not maker else "name": _("Give a name with letters or digits.")})
    device.identity = f"{maker}/{name}"
    found_by = [maker + name, name, *map(squeeze, split_names(device.aliases))]
    found_by += [squeeze(code) + ("*" if code.endswith("*") else "") for code in split_names(device.codes)]
    device.search_key = f"|{'|'.join(dict.fromkeys(filter(None, found_by)))}|"
    device.changed_by, device.changed_at = by[:254], timezone.now()


def split_names(text: str) -> list[str]:
    """Names or codes, parted by lines or semicolons."""
    return [name for part in re.split(r"[\n;；]+", text) if (name := " ".join(part.split()))]


def squeeze(text: str) -> str:
    """What is left of a name when case, width, spaces and signs count for nothing; a plus is the word."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("+", "plus")
    return "".join(letter for letter in folded if letter.isalnum())


# -- finding ----------------------------------------------------------------------------------------------------------


def search_devices(text: str, *, ability: str = "") -> models.QuerySet[DeviceModel]:
    """The models that every typed word fits, those of exactly this name or code first; all of them for ""."""
    found = DeviceModel.objects.filter(ability=ability) if ability else DeviceModel.objects.all()
    words = [word for part in text[:_LONGEST_QUERY].split() if (word := squeeze(part))][:_MOST_WORDS]
    if not words:
        return found if not text.strip() else found.none()
    for word in words:
        found = found.filter(models.Q(search_key__contains=word) | _begins_with_a_stem_of(word))
    whole = "".join(words)
    exact = models.Q(search_key__contains=f"|{whole}|") | _begins_with_a_stem_of(whole)
    rank = models.Case(models.When(exact, then=0), default=1)
    return found.annotate(rank=rank, length=Length("name")).order_by("rank", "length", "maker", "name")


def find_device_of(user_agent: str) -> DeviceModel | None:
    """The model that a browser tells it runs on, if it tells one that the list holds by its code or name.

    Many browsers tell none, on purpose; iPhones never do.
    """
    told = _BROWSER_MODEL.search(user_agent[:400])
    word = squeeze(told[1]) if told else ""
    if len(word) < _SHORTEST_STEM:
        return None
    exact = models.Q(search_key__contains=f"|{word}|") | _begins_with_a_stem_of(word)
    found = list(DeviceModel.objects.filter(exact).order_by("pk")[:2])
    return found[0] if len(found) == 1 else None


def _begins_with_a_stem_of(word: str) -> models.Q:
    """The model holds a code with a * that this word begins with. Codes have letters and digits."""
    condition = models.Q(pk__in=())
    if word.isalpha() or word.isdigit():
        return condition
    for end in range(_SHORTEST_STEM, min(len(word), _LONGEST_STEM) + 1):
        condition |= models.Q(search_key__contains=f"|{word[:end]}*|")
    return condition
