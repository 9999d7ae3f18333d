"""The reseller's colour in both themes, with what belongs to it, and whether everybody can read it (WCAG 2.2, AA).

The surfaces are those of ``static/css/tokens.css``.
"""

import re
from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]
#: What a text in the colour may stand on.
SURFACES: dict[Theme, tuple[str, ...]] = {
    "light": ("#ffffff", "#f5f6f7", "#f0f2f3"),
    "dark": ("#161b1e", "#0e1214", "#1e2528"),
}
#: WCAG 1.4.3: text of normal size.
READABLE = 4.5
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_WHITE, _BLACK = "#ffffff", "#000000"
_SOFT, _HOVER, _STEP = 0.08, 0.2, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The tokens that a colour sets."""

    accent: str
    accent_hover: str
    accent_soft: str
    on_accent: str

    def as_css(self) -> str:
        """Declarations of the tokens."""
        return (
            f"--accent:{self.accent};--accent-hover:{self.accent_hover};--accent-soft:{self.accent_soft};"
            f"--on-accent:{self.on_accent};--focus:{self.accent}"
        )


def is_colour(text: str) -> bool:
    """``#rrggbb``"""
    return _COLOUR.fullmatch(text) is not None


def make_palette(colour: str, theme: Theme) -> Palette:
    """What goes with the colour on pages of this theme."""
    away = _BLACK if theme == "light" else _WHITE
    return Palette(
        accent=colour,
        accent_hover=mix(colour, away, _HOVER),
        accent_soft=mix(SURFACES[theme][0], colour, _SOFT),
        on_accent=max((_WHITE, _BLACK), key=lambda ink: contrast(ink, colour)),
    )


def lighten_for_dark(colour: str) -> str:
    """The nearest lighter tone that can be read on dark pages, where no other colour is given for them."""
    tone, share = colour, 0.0
    while find_unreadable(tone, "dark") and share < 1:
        share += _STEP
        tone = mix(colour, _WHITE, share)
    return tone


def find_unreadable(colour: str, theme: Theme) -> list[tuple[str, float]]:
    """Pairs that too few can read: what it stands on, and the contrast; [] is good."""
    palette = make_palette(colour, theme)
    pairs = [(surface, contrast(colour, surface)) for surface in (*SURFACES[theme], palette.accent_soft)]
    pairs += [(palette.on_accent, contrast(palette.on_accent, ground)) for ground in (colour, palette.accent_hover)]
    return [(ground, round(ratio, 2)) for ground, ratio in pairs if ratio < READABLE]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2: 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(colour: str, other: str, share: float) -> str:
    """``share`` of the other one in the colour."""
    parts = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(mine * (1 - share) + theirs * share):02x}" for mine, theirs in parts)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
