"""Tags and filters for all pages; ``docs/console.md`` shows each in use."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.http import HttpRequest
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from catalog.countries import country_name
from config import charts, formatting, navigation, retelling
from config.tones import TONES

register = template.Library()

# -- Values -----------------------------------------------------------------------------------------------------------


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """``{{ order.total|money:order.currency }}``"""
    return formatting.format_money(amount, str(currency or ""))


@register.filter
def unsigned(amount: Decimal) -> Decimal:
    """The amount without its sign, where words say whose it is."""
    return abs(amount)


@register.filter
def data_size(size: int | None) -> str:
    """``{{ plan.data_bytes|data_size }}``: None reads "not reported"."""
    return formatting.format_bytes(size)


@register.filter
def flag(code: str) -> SafeString:
    """The code as a small plate, its country as the tooltip: flags as emoji are missing on many desktops."""
    if not code:
        return format_html("{}", "")
    letters = str(code).upper()
    return format_html('<abbr class="country-code" title="{}">{}</abbr>', country_name(letters), letters)


@register.filter
def country(code: str, name: str = "") -> SafeString:
    """``{{ code|country }}``: flag and name in the reader's language; ``{{ code|country:name }}`` with a name given."""
    if not code:
        return format_html("{}", name or formatting.NOTHING)
    letters = str(code).upper()
    return format_html(
        '<span class="country"><span class="country-code" aria-hidden="true">{}</span> {}</span>',
        letters,
        name or country_name(letters),
    )


@register.filter
def when(moment: datetime | None) -> SafeString:
    """The instant in the person's zone, and how long ago."""
    if moment is None:
        return format_html("{}", formatting.NOTHING)
    return format_html(
        '<time datetime="{}">{} <span class="ago">{}</span></time>',
        moment.isoformat(timespec="seconds"),
        formatting.format_moment(moment),
        formatting.format_distance(moment),
    )


@register.filter
def moment(value: datetime | None) -> SafeString:
    """The instant alone, in the person's zone."""
    if value is None:
        return format_html("{}", formatting.NOTHING)
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), formatting.format_moment(value)
    )


@register.filter
def exact(value: datetime | None) -> SafeString:
    """The instant to the millisecond, in the person's zone."""
    if value is None:
        return format_html("{}", formatting.NOTHING)
    return format_html(
        '<time datetime="{}">{}</time>',
        value.isoformat(timespec="milliseconds"),
        formatting.format_exact_moment(value),
    )


@register.filter
def ago(value: datetime | None) -> SafeString:
    """How long ago, the instant as its title: for tables."""
    if value is None:
        return format_html("{}", formatting.NOTHING)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        formatting.format_moment(value),
        formatting.format_distance(value),
    )


@register.filter
def day(value: date | None) -> SafeString:
    """A plain date."""
    if value is None:
        return format_html("{}", formatting.NOTHING)
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), formatting.format_day(value))


@register.filter
def jst_date(value: date | None) -> SafeString:
    """A business date of a Japanese provider: never converted, and said to be one."""
    if value is None:
        return format_html("{}", formatting.NOTHING)
    return format_html(
        '<time datetime="{}">{} <span class="ago">({})</span></time>',
        value.isoformat(),
        formatting.format_day(value),
        _("Japan date"),
    )


@register.filter
def said(value: bool | None) -> str:
    """yes, no, or "not said": None is never no."""
    return str(formatting.SAID[value if value is None else bool(value)])


@register.filter
def masked(value: str) -> str:
    return formatting.mask(str(value or ""))


@register.filter
def digits(value: str) -> str:
    """ICCID and EID in groups of four."""
    return formatting.group_digits(str(value or ""))


@register.filter
def breakable(address: str) -> SafeString:
    """An e-mail address that a narrow column may break where people would: behind the @."""
    return format_html_join(mark_safe("@<wbr>"), "{}", ((part,) for part in str(address or "").split("@")))


@register.filter
def retold(text: str) -> str:
    """A stored sentence (an error, a reason) in the reader's language where it is one of ours."""
    return retelling.retell(str(text or ""))


@register.filter
def actor(who: str) -> str:
    """``{{ event.by|actor }}``: a person as stored, a part of our program by its name."""
    return retelling.name_actor(str(who or ""))


@register.filter
def at(mapping: Mapping[Any, Any], key: Any) -> Any:
    """``{{ labels|at:key }}``: "" where the key is not there."""
    return mapping.get(key, "")


# -- Components -------------------------------------------------------------------------------------------------------


@register.inclusion_tag("components/badge.html")
def badge(label: object, state: str = "", *, tone: str = "", tones: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A word of state. The tone comes from ``tone``, else from ``tones[state]``, else from the house's table."""
    return {"label": label, "tone": tone or (tones or TONES).get(str(state), "neutral")}


@register.inclusion_tag("components/icon.html")
def icon(name: str) -> dict[str, str]:
    return {"name": name}


@register.inclusion_tag("components/copy.html")
def copy(value: object, label: object = "") -> dict[str, object]:
    """A button that copies ``value``; invisible without JavaScript."""
    return {"value": value, "label": label or _("Copy")}


@register.inclusion_tag("components/progress.html")
def progress(value: int | None, maximum: int | None, label: object = "") -> dict[str, Any]:
    """A bar for ``value`` of ``maximum``; unknown (moving) without a maximum."""
    known = value is not None and bool(maximum)
    return {
        "value": value,
        "maximum": maximum,
        "label": label,
        "known": known,
        "percent": min(100, round(100 * (value or 0) / (maximum or 1))) if known else None,
    }


@register.inclusion_tag("components/steps.html")
def steps(current: int, *labels: object) -> dict[str, Any]:
    """``{% steps 2 _("Customer") _("Plan") _("Payment") %}``: the second is the current one."""
    return {
        "current": current,
        "count": len(labels),
        "steps": [
            {"number": number, "label": label, "is_done": number < current, "is_current": number == current}
            for number, label in enumerate(labels, start=1)
        ],
    }


@register.inclusion_tag("components/crumb.html")
def crumb(label: object, name: str, *args: Any) -> dict[str, Any]:
    """One step of the breadcrumbs: ``{% crumb _("Customers") "customer-list" %}``."""
    try:
        return {"label": label, "url": reverse(name, args=args)}
    except NoReverseMatch:
        return {"label": label, "url": ""}


@register.inclusion_tag("components/field.html")
def field(
    bound: BoundField, *, hint: str | Promise | None = None, wide: bool = False, placeholder: bool = True
) -> dict[str, Any]:
    """One form field with label, help and error, tied together for screen readers.

    ``hint`` replaces the field's help text ("" for none); ``placeholder=False`` leaves the widget's out.
    """
    if hint is not None:
        bound.help_text = str(hint)  # so that Django's own aria-describedby follows
    return {
        "field": bound,
        "kind": _kind_of(bound),
        "wide": wide,
        "described": bound.aria_describedby,
        "control": bound.as_widget(attrs={} if placeholder else {"placeholder": False}),
    }


def _kind_of(bound: BoundField) -> str:
    if bound.is_hidden:
        return "hidden"
    if isinstance(bound.field.widget, CheckboxInput):
        return "check"
    return "group" if isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple) else "plain"


@register.inclusion_tag("components/error_summary.html")
def error_summary(form: BaseForm) -> dict[str, Any]:
    """What is wrong with the form, at its top, each message a link to its field."""
    entries = [
        {"target": bound.id_for_label or bound.auto_id, "label": bound.label, "message": message}
        for bound in form
        for message in bound.errors
    ]
    return {"entries": entries, "general": form.non_field_errors()}


@register.inclusion_tag("components/form_fields.html")
def form_fields(form: BaseForm) -> dict[str, Any]:
    """Error summary and every field in order."""
    return {"form": form}


@register.inclusion_tag("components/keyset.html", takes_context=True)
def keyset(context: Context, page: Any) -> dict[str, Any]:
    """Newer and older, keeping the filters of the address. ``page`` is a ``customers.keyset.KeysetPage``."""
    return {
        "newer": _address(context, before=page.before) if page.before else "",
        "older": _address(context, after=page.after) if page.after else "",
    }


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: Context, page: Any) -> dict[str, Any]:
    """Numbered pages for a ``django.core.paginator.Page``."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {
        "page": page,
        "newer": _address(context, page=page.previous_page_number()) if page.has_previous() else "",
        "older": _address(context, page=page.next_page_number()) if page.has_next() else "",
        "numbers": [
            {
                "label": number,
                "url": _address(context, page=number) if isinstance(number, int) else "",
                "is_current": number == page.number,
            }
            for number in numbers
        ],
    }


def _address(context: Context, **changes: object) -> str:
    """The page's own query with other paging words."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    for word in ("page", "after", "before"):
        query.pop(word, None)
    for word, value in changes.items():
        query[word] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def nav_items(context: Context) -> Sequence[navigation.Item]:
    """The navigation of the person who looks: pages that exist and that they may open."""
    request = context.get("request")
    return navigation.items_for(request) if request is not None else ()


@register.simple_tag
def url_or_empty(name: str, *args: Any, **kwargs: Any) -> str:
    """The address of a page, "" where there is no such page."""
    try:
        return reverse(name, args=args, kwargs=kwargs)
    except NoReverseMatch:
        return ""


# -- Charts -----------------------------------------------------------------------------------------------------------


@register.inclusion_tag("components/chart_usage.html")
def usage_chart(
    days: Iterable[Mapping[str, Any]],
    *,
    title: object = "",
    allowance: int | None = None,
    allowance_label: object = "",
    cumulative: bool = False,
    chart_id: str = "usage",
) -> dict[str, Any]:
    """Data used per day as inline SVG with its table; ``config/charts.py`` says what ``days`` holds."""
    listed = list(days)
    return {
        "chart": charts.draw_usage_chart(listed, allowance=allowance, cumulative=cumulative) if listed else None,
        "title": title or _("Data used per day"),
        "allowance_label": allowance_label or _("Allowance"),
        "cumulative": cumulative,
        "chart_id": chart_id,
    }


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Iterable[float | int], label: object = "", *, kind: str = "line") -> dict[str, Any]:
    """A small drawing of a series (``kind`` line or bars); ``label`` says it in words."""
    return {"spark": charts.draw_sparkline(list(values)), "label": label, "kind": kind}
