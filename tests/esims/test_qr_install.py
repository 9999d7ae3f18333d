"""QR codes, activation codes, one-tap links, the guide."""

from io import BytesIO
from xml.etree import ElementTree

import pytest
import zxingcpp
from PIL import Image

from esims.install import InvalidActivationCode, install_guide, install_links, parse_activation_code
from esims.models import Esim
from esims.qr import qr_modules, qr_png, qr_svg

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


def test_the_guide_says_where_the_confirmation_code_goes_only_where_there_is_one() -> None:
    def steps(esim: Esim) -> str:
        return " ".join(str(step) for part in install_guide(esim) for step in part.steps)

    assert "confirmation code" not in steps(Esim(lpa=LPA))
    assert "confirmation code" in steps(Esim(lpa="LPA:1$h.example$id$$1"))
    assert "confirmation code" in steps(Esim(lpa=LPA, confirmation_code="1234"))
    assert "confirmation code" not in steps(Esim(lpa="nonsense"))
    assert [str(part.title) for part in install_guide(Esim(lpa=LPA))] == [
        "Before you travel",
        "On an iPhone",
        "On an Android phone",
        "After landing",
    ]
