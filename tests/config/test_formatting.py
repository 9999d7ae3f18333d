"""How values read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from config import formatting

NOON = datetime(2025, 12, 7, 12, 30, tzinfo=UTC)


def shown(template: str, **context: Any) -> str:
    return Template(template).render(Context(context)).strip()


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.5", "USD", "1,234.50 USD"),
        ("12", "USD", "12.00 USD"),
        ("0.4450", "USD", "0.445 USD"),
        ("0.0001", "USD", "0.0001 USD"),
        ("1200.0000", "JPY", "1,200 JPY"),
        ("1200.5", "JPY", "1,200.5 JPY"),
        ("1E+3", "JPY", "1,000 JPY"),
        ("1.5", "KWD", "1.500 KWD"),
        ("-3", "EUR", "-3.00 EUR"),
        ("7", "", "7.00"),
    ],
)
def test_money(amount: str, currency: str, text: str) -> None:
    assert shown("{{ a|money:c }}", a=Decimal(amount), c=currency) == text.replace(" ", "\u00a0")


def test_no_money() -> None:
    assert shown("{{ a|money:'USD' }}", a=None) == "—"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "not reported"),
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KB"),
        (1024**2 - 1, "1 MB"),
        (500 * 1024**2, "500 MB"),
        (1024**3, "1 GB"),
        (1536 * 1024**2, "1.5 GB"),
        (1100 * 1024**2, "1.07 GB"),
        (50 * 1024**3, "50 GB"),
        (2 * 1024**4, "2 TB"),
        (3000 * 1024**4, "3,000 TB"),
    ],
)
def test_data_size(size: int | None, text: str) -> None:
    assert shown("{{ s|data_size }}", s=size) == (text if size is None else text.replace(" ", "\u00a0"))


def test_moment_is_in_the_persons_zone_and_says_which() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert formatting.format_moment(NOON) == "7 Dec 2025, 21:30\u00a0JST"
    with timezone.override(ZoneInfo("Asia/Kathmandu")):
        assert formatting.format_moment(NOON) == "7 Dec 2025, 18:15\u00a0UTC+05:45"
    with timezone.override(ZoneInfo("America/Sao_Paulo")):
        assert formatting.format_moment(NOON) == "7 Dec 2025, 09:30\u00a0UTC-03:00"
    with timezone.override(UTC), translation.override("ja"):
        assert formatting.format_moment(NOON) == "2025年12月7日 12:30\u00a0UTC"


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(seconds=-59), "just now"),
        (timedelta(seconds=-60), "1 min ago"),
        (timedelta(minutes=-59, seconds=-59), "59 min ago"),
        (timedelta(hours=-1), "1 hour ago"),
        (timedelta(hours=-23), "23 hours ago"),
        (timedelta(days=-1), "1 day ago"),
        (timedelta(days=-400), "400 days ago"),
        (timedelta(seconds=30), "in under a minute"),
        (timedelta(minutes=5), "in 5 min"),
        (timedelta(hours=2), "in 2 hours"),
        (timedelta(days=3), "in 3 days"),
    ],
)
def test_distance(gap: timedelta, text: str) -> None:
    assert formatting.format_distance(NOON + gap, now=NOON) == text


def test_time_filters() -> None:
    moment = timezone.now() - timedelta(hours=3)
    stamp = moment.isoformat(timespec="seconds")
    absolute = formatting.format_moment(moment)
    assert shown("{{ m|ago }}", m=moment) == f'<time datetime="{stamp}" title="{absolute}">3 hours ago</time>'
    assert shown("{{ m|moment }}", m=moment) == f'<time datetime="{stamp}">{absolute}</time>'
    assert shown("{{ m|when }}", m=moment) == (
        f'<time datetime="{stamp}">{absolute} <span class="ago">3 hours ago</span></time>'
    )
    assert [shown(f"{{{{ m|{name} }}}}", m=None) for name in ("ago", "moment", "when", "day", "jst_date")] == ["—"] * 5


def test_japanese_business_date_is_never_converted() -> None:
    with timezone.override(ZoneInfo("America/Los_Angeles")):
        assert shown("{{ d|jst_date }}", d=date(2025, 12, 7)) == (
            '<time datetime="2025-12-07">7 Dec 2025 <span class="ago">(Japan date)</span></time>'
        )


@pytest.mark.parametrize(("value", "text"), [(True, "yes"), (False, "no"), (None, "not said"), (1, "yes"), (0, "no")])
def test_said(value: object, text: str) -> None:
    assert shown("{{ v|said }}", v=value) == text


def test_country() -> None:
    code = '<span class="country"><span class="country-code" aria-hidden="true">JP</span> %s</span>'
    assert shown("{{ c|country }}", c="jp") == code % "Japan"
    assert shown("{{ c|country:'Nippon' }}", c="JP") == code % "Nippon"
    assert shown("{{ c|flag }}", c="JP") == '<abbr class="country-code" title="Japan">JP</abbr>'
    assert shown("{{ c|country }}{{ c|flag }}", c="") == "—"
    with translation.override("ja"):
        assert shown("{{ c|country }}", c="JP") == code % "日本"


def test_names_are_escaped() -> None:
    assert "<b>" not in shown("{{ c|country:n }}", c="JP", n="<b>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", "—"),
        ("12345678", "••••••••"),
        ("123456789", "••••\u00a06789"),
        ("LPA:1$smdp.example$X-9F3A", "••••\u00a09F3A"),
    ],
)
def test_masked(value: str, text: str) -> None:
    assert shown("{{ v|masked }}", v=value) == text


def test_digits() -> None:
    assert shown("{{ v|digits }}", v="8981100001111222233") == "8981 1000 0111 1222 233"


def test_at() -> None:
    assert shown("{{ m|at:'a' }}{{ m|at:'b' }}", m={"a": "x"}) == "x"


def test_an_address_breaks_behind_its_at_sign() -> None:
    assert shown("{{ v|breakable }}", v="ren@example.com") == "ren@<wbr>example.com"
    assert shown("{{ v|breakable }}", v="<b>@x") == "&lt;b&gt;@<wbr>x"
    assert shown("{{ v|breakable }}", v="") == ""
