"""How amounts, sizes and moments read on a page. Pure functions in the active language and time zone."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

NOTHING = "—"
NBSP = "\u00a0"

#: ISO 4217 minor units where they are not two.
_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = dict.fromkeys(_NO_MINOR_UNIT.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)
_UNITS = ("B", "KB", "MB", "GB", "TB")


def format_money(amount: Decimal | None, currency: str) -> str:
    """``1234.5, "USD"`` → ``1,234.50 USD``; at least the currency's decimals, more only where they say something."""
    if amount is None:
        return NOTHING
    least = _DECIMALS.get(currency, 2)
    exponent = Decimal(amount).normalize().as_tuple().exponent
    decimals = max(least, -exponent if isinstance(exponent, int) else 0)
    shown = number_format(amount, decimal_pos=decimals, use_l10n=True, force_grouping=True)
    return f"{shown}{NBSP}{currency}" if currency else shown


def format_bytes(size: int | None) -> str:
    """Bytes in units of 1024 with at most two decimals; None is "not reported", never zero."""
    if size is None:
        return gettext("not reported")
    value, unit = Decimal(size), 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    rounded = value.quantize(Decimal("0.01"))
    if abs(rounded) >= 1024 and unit < len(_UNITS) - 1:
        rounded, unit = Decimal(1), unit + 1
    decimals = 0 if rounded == rounded.to_integral() else (1 if rounded * 10 == (rounded * 10).to_integral() else 2)
    return f"{number_format(rounded, decimal_pos=decimals, force_grouping=True)}{NBSP}{_UNITS[unit]}"


def format_day(day: date, *, with_year: bool = True) -> str:
    """``7 Dec 2025``, or ``2025年12月7日``; a date is never converted to another zone."""
    if (get_language() or "").startswith("ja"):
        return f"{day.year}年{day.month}月{day.day}日" if with_year else f"{day.month}月{day.day}日"
    month = _MONTHS[day.month - 1]
    return f"{day.day} {month} {day.year}" if with_year else f"{day.day} {month}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_moment(moment: datetime) -> str:
    """An aware instant in the person's zone, which is named: ``7 Dec 2025, 09:30 JST``."""
    local = timezone.localtime(moment)
    gap = " " if (get_language() or "").startswith("ja") else ", "
    return f"{format_day(local)}{gap}{local:%H:%M}{NBSP}{zone_name(local)}"


def format_exact_moment(moment: datetime) -> str:
    """The same to the millisecond, for evidence: ``7 Dec 2025, 09:30:15.042 JST``."""
    local = timezone.localtime(moment)
    gap = " " if (get_language() or "").startswith("ja") else ", "
    return f"{format_day(local)}{gap}{local:%H:%M:%S}.{local.microsecond // 1000:03d}{NBSP}{zone_name(local)}"


def zone_name(moment: datetime) -> str:
    """The zone's short name (JST, CET); zones without one say their offset (UTC+05:30)."""
    name = moment.tzname() or ""
    offset = moment.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}" if name[:1] in {"+", "-"} else name


def format_distance(moment: datetime, *, now: datetime | None = None) -> str:
    """How long ago, or how long until: one unit, rounded down."""
    gap = moment - (now or timezone.now())
    ahead = gap > timedelta(0)
    seconds = int(abs(gap).total_seconds())
    if seconds < 60:
        return gettext("in under a minute") if ahead else gettext("just now")
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        ago, until = (
            ngettext("%(n)d min ago", "%(n)d min ago", minutes),
            ngettext("in %(n)d min", "in %(n)d min", minutes),
        )
        return (until if ahead else ago) % {"n": minutes}
    if hours < 24:
        ago = ngettext("%(n)d hour ago", "%(n)d hours ago", hours)
        until = ngettext("in %(n)d hour", "in %(n)d hours", hours)
        return (until if ahead else ago) % {"n": hours}
    ago, until = ngettext("%(n)d day ago", "%(n)d days ago", days), ngettext("in %(n)d day", "in %(n)d days", days)
    return (until if ahead else ago) % {"n": days}


def mask(value: str, *, shown: int = 4) -> str:
    """All but the last ``shown`` characters hidden; short values are hidden whole."""
    if not value:
        return NOTHING
    tail = value[-shown:] if len(value) > shown * 2 else ""
    return f"••••{NBSP}{tail}" if tail else "••••••••"


def group_digits(value: str) -> str:
    """An ICCID or EID in groups of four, for the eye."""
    return " ".join(value[at : at + 4] for at in range(0, len(value), 4))


SAID = {True: _("yes"), False: _("no"), None: _("not said")}
