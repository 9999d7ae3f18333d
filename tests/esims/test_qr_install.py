"""QR codes, activation codes, one-tap links, the guide."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
import zxingcpp
from PIL import Image

from catalog.models import Plan
from esims.install import (
    InvalidActivationCode,
    install_guide,
    install_links,
    parse_activation_code,
    top_up_rules,
)
from esims.models import Esim
from esims.qr import qr_modules, qr_png, qr_svg
from esims.top_up_words import why_not_topped_up
from providers.models import ProviderAccount
from providers.types import StartsWith

LPA = "LPA:1$smdp.example.com$CODE123"


def render_svg(svg: str, scale: int = 6) -> Image.Image:
    """Draw the rectangles of our SVG, as a browser would."""
    root = ElementTree.fromstring(svg)
    size = int(root.attrib["viewBox"].split()[2])
    image = Image.new("L", (size * scale, size * scale), 255)
    dark = root.findall("{http://www.w3.org/2000/svg}path")[1].attrib["d"]
    for part in dark.split("z")[:-1]:
        start, run = part[1:].split("h", 1)
        x, y = (int(number) for number in start.split())
        length = int(run.split("v")[0])
        image.paste(0, (x * scale, y * scale, (x + length) * scale, (y + 1) * scale))
    return image


@pytest.mark.parametrize("lpa", [LPA, "LPA:1$" + "a" * 60 + ".example.com$" + "A1-" * 70 + "$1.3.6.1.4.1.31746$1"])
def test_both_drawings_decode_to_the_activation_string(lpa: str) -> None:
    png = zxingcpp.read_barcode(Image.open(BytesIO(qr_png(lpa))))
    svg = zxingcpp.read_barcode(render_svg(qr_svg(lpa)))
    assert png is not None
    assert svg is not None
    assert (png.text, svg.text) == (lpa, lpa)
    assert png.ec_level == "M"


def test_the_margin_is_four_light_modules() -> None:
    image = Image.open(BytesIO(qr_png(LPA))).convert("L")
    assert image.width == image.height == (len(qr_modules(LPA)) + 8) * 10
    assert set(image.crop((0, 0, image.width, 40)).tobytes()) == {255}
    assert set(image.crop((0, 0, 40, image.height)).tobytes()) == {255}
    assert image.getpixel((40, 40)) == 0


def test_the_svg_holds_no_style_no_script_and_not_the_code() -> None:
    svg = qr_svg(LPA)
    assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()} == {"svg", "path"}
    assert "style" not in svg
    assert "CODE123" not in svg


@pytest.mark.parametrize(
    ("text", "host", "matching_id", "oid", "confirmation"),
    [
        ("LPA:1$smdp.example.com$CODE123", "smdp.example.com", "CODE123", "", False),
        ("lpa:1$smdp.example.com$CODE123", "smdp.example.com", "CODE123", "", False),
        (" 1$smdp.example.com$CODE-123 ", "smdp.example.com", "CODE-123", "", False),
        ("LPA:1$h.example$id$1.3.6.1.4.1.31746", "h.example", "id", "1.3.6.1.4.1.31746", False),
        ("LPA:1$h.example$id$1.3.6.1.4.1.31746$1", "h.example", "id", "1.3.6.1.4.1.31746", True),
        ("LPA:1$h.example$id$$1", "h.example", "id", "", True),
        ("LPA:1$h.example$$1.3.6.1.4.1.31746", "h.example", "", "1.3.6.1.4.1.31746", False),
    ],
)
def test_activation_codes_are_taken_apart(text: str, host: str, matching_id: str, oid: str, confirmation: bool) -> None:
    code = parse_activation_code(text)
    assert (code.smdp_address, code.matching_id, code.oid) == (host, matching_id, oid)
    assert code.confirmation_required is confirmation
    bare = text.strip()
    assert code.lpa == "LPA:" + (bare[4:] if bare[:4].upper() == "LPA:" else bare)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "LPA:2$smdp.example.com$X",
        "LPA:1$smdp.example.com",
        "LPA:1$$CODE",
        "LPA:1$bad host$CODE",
        "LPA:1$smdp.example.com$CO DE",
        "LPA:1$h.example$id$x.y",
        "LPA:1$h.example$id$1.2$2",
        "LPA:1$h.example$id$1.2$1$",
    ],
)
def test_what_is_no_activation_code_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidActivationCode) as caught:
        parse_activation_code(text)
    assert caught.value.message
    assert text.rpartition("$")[2] == "" or text not in caught.value.message


def test_one_tap_links_hold_the_code_as_the_makers_print_it() -> None:
    links = install_links(LPA)
    assert links.apple == (
        "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata=LPA:1$smdp.example.com$CODE123"
    )
    assert links.android == (
        "https://esimsetup.android.com/esim_qrcode_provisioning?carddata=LPA:1$smdp.example.com$CODE123"
    )
    assert install_links("LPA:1$h$a&b#c").apple.endswith("carddata=LPA:1$h$a%26b%23c")


# -- the guide --------------------------------------------------------------------------------------------------------

DEADLINE = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


def make_line(*, starts_with: StartsWith = StartsWith.UNKNOWN, **fields: Any) -> Esim:
    return Esim(**{"lpa": LPA, "plan": Plan(starts_with=starts_with), **fields})


def read_steps(esim: Esim) -> dict[str, list[str]]:
    return {
        str(part.title): [str(step) for step in part.steps] for stage in install_guide(esim) for part in stage.parts
    }


def read_text(esim: Esim) -> str:
    return " ".join(step for steps in read_steps(esim).values() for step in steps)


def test_the_guide_has_two_stages() -> None:
    install, start = install_guide(make_line())
    assert (str(install.title), str(start.title)) == ("Install your eSIM", "Start your eSIM")
    assert "Look in the phone's settings" in str(install.note)
    assert [str(part.title) for part in install.parts] == ["Before you install", "On an iPhone", "On an Android phone"]
    assert [str(part.title) for part in start.parts] == ["After landing", "If there is no data"]


def test_before_installing_it_warns_of_what_cannot_be_undone() -> None:
    before = read_steps(make_line())["Before you install"]
    told = [
        "stable Wi-Fi connection",
        "installed once only",
        "Do not remove the eSIM",
        "rename the line",
        "default for calls and messages",
        "Turn off automatic switching of mobile data",
    ]
    assert [words for words in told if not any(words in step for step in before)] == []


def test_a_line_is_started_in_four_steps_where_it_has_an_apn() -> None:
    steps = read_steps(make_line(apn="data.esim"))["After landing"]
    assert steps[:3] == [
        "Turn the new line on in the phone's settings.",
        "Switch data roaming on for this line, and for this line only.",
        "Choose this line for mobile data.",
    ]
    assert steps[3].endswith("(APN) in the settings of the line's mobile data: data.esim")
    assert "(APN)" not in " ".join(read_steps(make_line())["After landing"])


def test_what_starts_the_days_is_told_as_far_as_the_provider_says() -> None:
    assert "When its time starts" not in read_steps(make_line())
    connection = read_steps(make_line(starts_with=StartsWith.CONNECTION))
    assert "first connects to a network" in connection["When its time starts"][0]
    assert "Install at home" in " ".join(connection["Before you install"])
    installation = read_text(make_line(starts_with=StartsWith.INSTALLATION))
    assert "start with the installation" in installation
    assert "Install at home" not in installation


def test_the_deadline_is_told_until_the_line_has_started() -> None:
    told = read_steps(make_line(activation_deadline=DEADLINE))["When its time starts"]
    assert len(told) == 1
    assert "before 30 Nov 2026, 09:30 UTC" in told[0]
    # Neither outcome is promised: the provider says both.
    assert "not certain" in told[0]
    for started in ({"activated_at": DEADLINE}, {"activated_on": DEADLINE.date()}):
        assert "30 Nov 2026" not in read_text(make_line(activation_deadline=DEADLINE, **started))


def test_the_guide_says_where_the_confirmation_code_goes_only_where_there_is_one() -> None:
    assert "confirmation code" not in read_text(make_line())
    assert "confirmation code" in read_text(make_line(lpa="LPA:1$h.example$id$$1"))
    assert "confirmation code" in read_text(make_line(confirmation_code="1234"))
    assert "confirmation code" not in read_text(make_line(lpa="nonsense"))


def test_the_rules_of_a_top_up_are_told_where_the_provider_has_them() -> None:
    rules = [str(rule) for rule in top_up_rules(make_line(account=ProviderAccount(adapter="esimfx")))]
    assert len(rules) == 4
    assert "used up or its time is over" in rules[0]
    assert "counted from the moment" in rules[1]
    assert "need not be installed again" in rules[2]
    assert "in use within 60 days of its purchase" in rules[3]
    ends = datetime(2026, 9, 27, 19, 29, tzinfo=UTC)
    line = make_line(account=ProviderAccount(adapter="esim_access"), expires_at=ends)
    rules = [str(rule) for rule in top_up_rules(line)]
    assert len(rules) == 5
    assert "one new total" in rules[0]
    assert "Which part is used first" in rules[1]
    assert "the line's end moves" in rules[2]
    assert "need not be in use" in rules[3]
    assert "until the line ends, now on 27 Sep 2026" in rules[4]
    for adapter in ("esim_commerce", "freebit", "gone"):
        assert top_up_rules(make_line(account=ProviderAccount(adapter=adapter))) == ()


@pytest.mark.parametrize(
    ("adapter", "state", "word"),
    [
        ("esim_access", "ready", ""),
        ("esim_access", "installed", ""),
        ("esim_access", "active", ""),
        ("esim_access", "depleted", ""),
        ("esim_access", "unknown", ""),
        ("esim_access", "suspended", "while the line is “suspended”"),
        ("esim_access", "provisioning", "while the line is “being set up”"),
        ("esim_access", "expired", "has ended"),
        ("esimfx", "suspended", ""),
        ("esimfx", "terminated", "has ended"),
    ],
)
def test_the_document_says_in_which_states_a_top_up_is_taken(adapter: str, state: str, word: str) -> None:
    told = why_not_topped_up(make_line(account=ProviderAccount(adapter=adapter), state=state))
    assert (word in told) if word else told == ""
