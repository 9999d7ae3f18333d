"""The form by which a line is activated, as a provider defines it: what it asks for, what is wrong, what was put right.

Pages draw and check such a form without knowing whose it is. Field names are the provider's own. Values are personal
and partly secret: no dataclass here shows them in its ``repr``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise


class FieldKind(StrEnum):
    """How a field is typed."""

    TEXT = "text"
    DIGITS = "digits"
    CHOICE = "choice"
    #: Never shown again once it was typed.
    SECRET = "secret"  # noqa: S105  (a kind of field)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormChoice:
    """One value of a field of few values, in English and in the language of the provider's form."""

    value: str
    label: str
    native_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field that belongs into the form now.

    ``decides``: with another value, other fields belong into the form. ``is_alternative``: exactly one of the fields
    that are marked so is given.
    """

    name: str
    label: str
    native_label: str
    kind: FieldKind
    is_required: bool
    hint: str | Promise = ""
    choices: tuple[FormChoice, ...] = ()
    is_alternative: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormGroup:
    """Fields that belong together; the first group holds what decides about the others."""

    label: str
    native_label: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDescription:
    """The form for what was chosen so far. ``refusal`` says why this choice cannot be sent at all ("" where it can).

    ``native_language`` is that of the native labels, as a language tag.
    """

    groups: tuple[FormGroup, ...]
    native_language: str
    #: What the fields begin with where nothing was typed yet.
    initial: Mapping[str, str]
    refusal: str = ""

    @property
    def fields(self) -> Sequence[FormField]:
        return [one for group in self.groups for one in group.fields]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCorrection:
    """A value that was put right. It may be a person's name: never log it."""

    field: str
    old: str = attribute(repr=False)
    new: str = attribute(repr=False)
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormProblem:
    """Why it must not be sent, and the code that the provider would have answered. ``field`` "" is the whole."""

    field: str
    message: str = attribute(repr=False)
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDoubt:
    """What should be looked at again, though it may be sent."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationFacts:
    """What our books keep of a form once the form itself is erased; "" for what it does not have.

    ``old_eid`` is the eSIM that a reissue replaces. The last two are the provider's own words.
    """

    eid: str = attribute(default="", repr=False)
    account_number: str = attribute(default="", repr=False)
    old_eid: str = attribute(default="", repr=False)
    add_kind: str = ""
    aladin_operated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCheck:
    """Values as they may be sent when there are no problems; nothing was put right that ``corrections`` do not tell."""

    values: Mapping[str, str] = attribute(repr=False)
    corrections: tuple[FormCorrection, ...]
    problems: tuple[FormProblem, ...]
    warnings: tuple[FormDoubt, ...]
    facts: ActivationFacts

    @property
    def is_ready(self) -> bool:
        """Whether these values may be sent as they were given."""
        return not self.problems and not self.corrections


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMeaning:
    """What one of the provider's codes says. ``fields`` are those it may be about, the likeliest first.

    ``blames_delivery_code``: our own delivery code is at fault, which nobody types.
    """

    code: str
    meaning: str | Promise
    fields: tuple[str, ...]
    blames_delivery_code: bool = False


class ActivationRules(ABC):
    """A provider's rules for its form, by the account's settings. Nothing here calls the provider.

    ``plan_code`` is the plan that the line gets ("" for none); ``is_reissue`` says that a line moves to another eSIM.
    Both are settled by what is sold, never by the form.
    """

    @abstractmethod
    def describe(self, values: Mapping[str, str], *, plan_code: str, is_reissue: bool) -> FormDescription:
        """The fields that belong into the form for the values that were given so far."""

    @abstractmethod
    def check(self, values: Mapping[str, Any], *, plan_code: str, is_reissue: bool, now: datetime) -> FormCheck:
        """Hold values against everything that can be known before sending. ``now`` is aware.

        Everything wrong is told, not the first only.
        """

    @abstractmethod
    def prefill(self, facts: ActivationFacts) -> Mapping[str, str]:
        """The fields' values that hold these facts."""

    @abstractmethod
    def explain(self, code: str) -> CodeMeaning | None:
        """What a code of the provider's answer or file means; None for one that is not known."""
