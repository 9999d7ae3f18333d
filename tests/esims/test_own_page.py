"""The customer's own page: what is chosen on it, what it says of phones, days and rules, and the reseller's looks."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from catalog.devices import save_device
from catalog.models import DeviceModel
from esims.checks import check_brand
from esims.colours import SURFACES, contrast, find_unreadable, lighten_for_dark
from esims.links import make_link_by_hand, make_links
from esims.models import Esim, LineEvent, LineLink, Package, UsageDay
from esims.own_guide import PhoneKind, guess_platform
from providers.models import ProviderAccount
from providers.types import AfterCap, DataPeriod, LineState
from tests.catalog.making import make_plan
from tests.customers.making import signed_in
from tests.esims.making import GB, MB, T0, make_customer, make_line, make_snapshot, make_staff
from tests.pages import assert_clean_page
from tests.project.sources import PROJECT_DIR

pytestmark = pytest.mark.django_db
HOME = "http://127.0.0.1:8000"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36"


@pytest.fixture(autouse=True)
def _no_devices() -> None:
    """The program's own list may be there or not."""
    DeviceModel.objects.all().delete()


def make_device(name: str = "Pixel 8", ability: str = "yes", **terms: Any) -> DeviceModel:
    given = {"source": "a test of ours", "checked_on": date(2026, 5, 1), **terms}
    return save_device(device=DeviceModel(maker="Google", name=name, ability=ability, **given), by="mia@desk.example")


def path_of(esim: Esim) -> str:
    return make_links(esim_ids=[esim.pk], made_for="test")[esim.pk].removeprefix(HOME)


def read(esim: Esim, query: str = "", **headers: str) -> str:
    response = Client(headers=headers).get(path_of(esim) + query)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode().replace("\u00a0", " "))


# -- what is chosen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        (IPHONE, PhoneKind.IPHONE),
        (PIXEL, PhoneKind.ANDROID),
        ("Mozilla/5.0 (Linux; Android 13; SM-S916B) AppleWebKit", PhoneKind.SAMSUNG),
        ("Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-G991B) SamsungBrowser/20", PhoneKind.SAMSUNG),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", None),
        ("", None),
    ],
)
def test_the_kind_of_phone_is_guessed_by_the_browser(agent: str, platform: PhoneKind | None) -> None:
    assert guess_platform(agent) is platform


def test_the_phones_own_steps_come_and_a_choice_beats_the_guess() -> None:
    esim = make_line(make_snapshot(apn="data.esim"))
    guessed = read(esim, user_agent=IPHONE)
    assert "esimsetup.apple.com" in guessed
    assert "esimsetup.android.com" not in guessed
    assert "Mobile Data Network" in guessed
    assert "access point name (APN) data.esim" in guessed
    # On the phone itself one taps first; beside it one scans first.
    assert guessed.index("Install on an iPhone") < guessed.index("qr.png")
    chosen = read(esim, "?os=samsung", user_agent="Mozilla/5.0 (X11; Linux x86_64)")
    assert "esimsetup.apple.com" not in chosen
    assert "Settings → Connections → SIM manager → Add eSIM" in chosen
    assert chosen.index("qr.png") < chosen.index("Install on an Android phone")
    assert 'href="?os=samsung&amp;lang=ja"' in chosen
    nothing = read(esim, "?os=nokia&lang=xx")
    assert 'aria-current="true"' not in nothing.split("Which phone is it for?")[1].split("</ul>")[0]
    assert "Mobile Data Network" not in nothing


def test_the_steps_stand_in_the_order_that_prevents_mistakes() -> None:
    html = read(make_line(make_snapshot(apn="data.esim")), "?os=iphone")
    found = re.findall(r"<h2[^>]*>(?:(\d)\. )?([^<]+?) ?<", html)
    assert found == [
        ("", "How it is doing"),
        ("1", "Can your phone take it?"),
        ("2", "Before you install"),
        ("3", "Install it"),
        ("4", "Right after the installation"),
        ("5", "After landing"),
        ("6", "Access point name (APN)"),
        ("7", "When its time starts"),
        ("", "Data"),
        ("", "If something does not work"),
    ]


def test_in_use_its_data_comes_first_and_nothing_is_to_be_installed() -> None:
    html = read(make_line(make_snapshot(state=LineState.ACTIVE)), "?phone=pixel")
    assert re.findall(r"<h2[^>]*>([^<]+?) ?<", html) == [
        "How it is doing",
        "Data",
        "After landing",
        "If something does not work",
    ]
    assert "The code cannot be scanned" not in html
    over = read(make_line(make_snapshot(state=LineState.EXPIRED)))
    assert re.findall(r"<h2[^>]*>([^<]+?) ?<", over) == ["How it is doing", "Data"]
    assert "Nothing was reported of its use." in over


def test_nothing_is_left_of_what_is_over() -> None:
    snapshot = make_snapshot(state=LineState.EXPIRED, total_used_bytes=256 * MB)
    html = read(make_line(snapshot, plan=make_plan(data_bytes=GB)))
    assert "256 MB of 1 GB are used." in html
    assert " left." not in html


def test_what_is_paused_is_not_set_up_anew() -> None:
    html = read(make_line(make_snapshot(state=LineState.SUSPENDED)))
    assert "Right after the installation" not in html
    assert "Right after the installation" in read(make_line(make_snapshot(state=LineState.INSTALLED)))


def test_the_language_is_switched_by_the_address_alone() -> None:
    esim = make_line(customer=make_customer(language="ja"))
    assert '<html lang="ja">' in read(esim)
    response = Client().get(path_of(esim) + "?lang=en&phone=x")
    html = response.content.decode()
    assert '<html lang="en">' in html
    assert not response.cookies
    assert 'href="?lang=ja&amp;phone=x" lang="ja" hreflang="ja"' in html
    assert '<input type="hidden" name="lang" value="en">' in html
    assert '<html lang="ja">' in Client().get("/l/nothing/?lang=ja").content.decode()


# -- is my phone able -------------------------------------------------------------------------------------------------


def test_a_phone_is_looked_up_on_the_page() -> None:
    make_device(none_in="CN", note="Not those of one operator.", note_ja="一部を除く。")
    make_device("Pixel 2", "depends")
    make_device("Pixel", "no")
    esim = make_line()
    html = read(esim, "?phone=pixel+8")
    assert (
        "<strong>Google Pixel 8:</strong> Yes: eSIMs can be installed on it. "
        "Versions made for China take none. Not those of one operator." in html
    )
    assert "一部を除く。" in read(esim, "?phone=pixel+8&lang=ja")
    of_all = read(esim, "?phone=google")
    assert [of_all.count(word) for word in ("notice-ok", "notice-warn", "notice-danger")] == [1, 1, 1]
    unknown = read(esim, "?phone=%3Cb%3EFairphone")
    assert "We do not know “&lt;b&gt;Fairphone”. That does not mean that it takes no eSIMs." in unknown
    assert "Dial *#06#" in unknown


def test_the_phone_that_the_browser_names_is_looked_up_by_itself() -> None:
    make_device()
    esim = make_line()
    assert "By what your browser says, this is:" in read(esim, user_agent=PIXEL)
    assert "By what your browser says" not in read(esim, user_agent=IPHONE)
    assert "By what your browser says" not in read(esim, "?phone=galaxy", user_agent=PIXEL)


def test_a_visit_with_everything_costs_five_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(12):
        make_device(f"Pixel {number}")
    esim = make_line()
    UsageDay.objects.bulk_create(
        UsageDay(esim=esim, day=date(2026, 5, 1) - timedelta(days=back), used_bytes=MB) for back in range(60)
    )
    path = path_of(esim)
    with django_assert_num_queries(5):
        response = Client().get(path, {"phone": "pixel", "os": "iphone"})
    assert_clean_page(response)
    html = response.content.decode()
    assert "There are more: write some more of the name." in html
    sheets = re.findall(r'<link rel="stylesheet" href="/static/([^"?]+)', html)
    assert len(html.encode()) + sum((PROJECT_DIR / "static" / sheet).stat().st_size for sheet in sheets) < 150_000


# -- data in plain words ----------------------------------------------------------------------------------------------


def test_what_is_left_of_a_total_and_the_days() -> None:
    snapshot = make_snapshot(state=LineState.ACTIVE, total_used_bytes=256 * MB)
    esim = make_line(snapshot, plan=make_plan(data_bytes=GB))
    UsageDay.objects.create(esim=esim, day=date(2026, 5, 1), used_bytes=256 * MB)
    UsageDay.objects.create(esim=esim, day=date(2026, 4, 29), used_bytes=MB)
    html = read(esim)
    assert "256 MB of 1 GB are used." in html
    assert "768 MB are left." in html
    assert "Not reported" in html


def test_a_cap_by_the_day_is_no_share() -> None:
    plan = make_plan(data_bytes=GB, data_period=DataPeriod.DAY, after_cap=AfterCap.REDUCED)
    esim = make_line(make_snapshot(state=LineState.ACTIVE, total_used_bytes=3 * GB), plan=plan)
    UsageDay.objects.create(esim=esim, day=date(2026, 5, 1), used_bytes=300 * MB)
    html = read(esim)
    assert re.search(r"1 GB at full speed each day\. On <time[^>]*>1 May 2026</time>: 300 MB used\.", html)
    assert "<progress" not in html
    assert " left." not in html
    assert "data at full speed is used, the line goes on more slowly" in html


def test_the_rules_of_added_data_stand_where_data_can_be_added() -> None:
    account = ProviderAccount.objects.create(slug="access", adapter="esim_access", name="Access")
    plan = make_plan(account, top_up_supported=True)
    html = read(make_line(make_snapshot(state=LineState.ACTIVE), plan=plan))
    assert "If you need more data" in html
    assert "Its days are added to the line" in html
    over = make_line(make_snapshot(state=LineState.TERMINATED), plan=plan)
    assert "If you need more data" not in read(over)
    assert "If you need more data" not in read(make_line(plan=make_plan(account, top_up_supported=False)))


def test_added_packages_are_told_one_by_one() -> None:
    esim = make_line(make_snapshot(state=LineState.ACTIVE))
    assert "What it is made of" not in read(esim)
    Package.objects.create(
        esim=esim, kind="top_up", name="Extra 1 GB", status="waiting", data_period="total", activate_by=T0
    )
    assert "<li>Extra 1 GB: waiting, to be used before 1 May 2026, 12:00 UTC</li>" in read(esim)


def test_where_no_use_is_ever_told_that_is_said() -> None:
    account = ProviderAccount.objects.create(slug="carrier", adapter="freebit", name="Carrier")
    html = read(make_line(make_snapshot(state=LineState.ACTIVE), plan=make_plan(account)))
    assert "data is used is not reported to us." in html
    assert "Nothing is reported of its use yet." not in html


# -- the reseller's looks ---------------------------------------------------------------------------------------------


def test_name_texts_logo_and_colours_come_from_the_settings(settings: Settings, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>")
    settings.BRAND_NAME, settings.BRAND_LOGO, settings.BRAND_COLOR = "Fjord SIM", str(logo), "#0057b8"
    settings.BRAND_SUPPORT_EMAIL = "help@fjord.example"
    settings.BRAND_TEXTS = {"en": {"welcome": "Hello <b>", "footer": "Fjord AS"}, "ja": {"support": "お電話でも。"}}
    assert check_brand(None) == []
    html = read(make_line())
    assert "Hello &lt;b&gt;" in html
    assert "Fjord AS" in html
    assert "お電話でも。" not in html
    assert 'href="mailto:help@fjord.example"' in html
    (picture,) = re.findall(r'<img class="public-logo" src="(/brand/logo\?v=[0-9a-f]{12})" alt="Fjord SIM">', html)
    answer = Client().get(picture)
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert Client().get("/brand/logo")["Cache-Control"] == "public, max-age=300"
    assert (answer.content, answer["Content-Type"]) == (b"<svg/>", "image/svg+xml")
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    (sheet,) = re.findall(r'href="(/brand/colours\.css\?v=[0-9a-f]{12})"', html)
    css = Client().get(sheet).content.decode()
    assert "--accent:#0057b8" in css
    assert f"--accent:{lighten_for_dark('#0057b8')}" in css
    assert Client().get("/brand/logo-dark").status_code == 404
    settings.BRAND_LOGO = settings.BRAND_COLOR = ""
    plain = read(make_line())
    assert "/brand/" not in plain
    assert '<p class="public-brand">Fjord SIM</p>' in plain


def test_the_checks_know_the_colours_of_the_house() -> None:
    tokens = (PROJECT_DIR / "static" / "css" / "tokens.css").read_text()
    light, dark = (part[: part.index("}")] for part in re.split(r"color-scheme: (?:light|dark);", tokens)[1:3])
    for theme, part in (("light", light), ("dark", dark)):
        named = tuple(re.findall(r"--(?:surface|ground|sunken): (#[0-9a-f]{6});", part))
        assert sorted(named) == sorted(SURFACES[theme])  # type: ignore[index]
    assert find_unreadable("#0a6868", "light") == []
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48
    for colour in ("#0a6868", "#7b1fa2", "#000000", "#ffcc00"):
        assert find_unreadable(lighten_for_dark(colour), "dark") == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("BRAND_COLOR", "blue", "esims.E001"),
        ("BRAND_COLOR", "#ffcc00", "esims.E002"),
        ("BRAND_COLOR_DARK", "#102030", "esims.E002"),
        ("BRAND_LOGO", "no/such/file.png", "esims.E003"),
        ("BRAND_LOGO", "manage.py", "esims.E003"),
        ("BRAND_TEXTS", {"en": "Hello"}, "esims.E004"),
        ("BRAND_TEXTS", {"fr": {"footer": "x"}}, "esims.E004"),
        ("BRAND_TEXTS", {"en": {"header": "x"}}, "esims.E004"),
        ("BRAND_TEXTS", {"en": {"footer": "x" * 601}}, "esims.E004"),
        ("BRAND_SUPPORT_EMAIL", "nobody", "esims.E005"),
    ],
)
def test_settings_that_help_nobody_are_refused(settings: Settings, name: str, value: Any, found: str) -> None:
    settings.BRAND_COLOR = "#0a6868"
    setattr(settings, name, value)
    messages: list[CheckMessage] = check_brand(None)
    assert {message.id for message in messages} == {found}
    # No page fails over them.
    read(make_line())


# -- at the desk ------------------------------------------------------------------------------------------------------


def test_staff_make_a_link_and_see_its_address_once() -> None:
    esim = make_line()
    mika = make_staff("view_esim", "reveal_codes")
    made = signed_in(mika).post(reverse("esim-link-make", args=[esim.pk]))
    assert_clean_page(made)
    assert made["Cache-Control"] == "no-store, private"
    (address,) = set(re.findall(rf"{HOME}(/l/[\w-]+/)", made.content.decode()))
    assert Client().get(address).status_code == 200
    assert list(LineEvent.objects.filter(kind="link_made").values_list("by", "facts")) == [(mika.email, {})]
    page = signed_in(mika).get(reverse("esim-detail", args=[esim.pk])).content.decode()
    assert "1 link to it works now." in page
    assert address not in page
    assert "Renew" not in page
    assert LineLink.objects.get().made_for == "by hand"


def test_renewing_leaves_one_link() -> None:
    esim = make_line()
    old = path_of(esim)
    mika = signed_in(make_staff("view_esim", "reveal_codes", "revoke_links"))
    url = reverse("esim-links-renew", args=[esim.pk])
    assert_clean_page(mika.get(url))
    assert Client().get(old).status_code == 200
    made = mika.post(url)
    (new,) = set(re.findall(rf"{HOME}(/l/[\w-]+/)", made.content.decode()))
    assert [Client().get(path).status_code for path in (old, new)] == [404, 200]
    assert sorted(LineEvent.objects.filter(kind__startswith="link").values_list("kind", flat=True)) == [
        "link_made",
        "links_revoked",
    ]


@pytest.mark.parametrize(("page", "needs"), [("esim-link-make", 1), ("esim-links-renew", 2)])
def test_links_are_made_by_permission(page: str, needs: int) -> None:
    esim = make_line()
    url = reverse(page, args=[esim.pk])
    rights = ("reveal_codes", "revoke_links")[:needs]
    assert Client().post(url).status_code == 302
    for lacking in rights:
        held = [right for right in ("view_esim", *rights) if right != lacking]
        assert signed_in(make_staff(*held, email=f"{lacking}@desk.example")).post(url).status_code == 403
    holder = signed_in(make_staff(*rights, email="a@desk.example"))
    assert holder.get(reverse("esim-link-make", args=[esim.pk])).status_code == 405
    assert not LineLink.objects.exists()
    with pytest.raises(PermissionDenied):
        make_link_by_hand(esim=esim, by=make_staff(email="z@desk.example"))
