"""Names for freebit: what may stand in them, what is put right, and what is refused with a word that helps."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.freebit.names import (
    LOOKALIKES,
    NameReading,
    Script,
    compose_kana,
    is_full_width,
    is_kana,
    measure_full_name,
    read_name,
)

SPACE = "\u3000"
VOICED, HALF_VOICED = "\u3099", "\u309a"


def kanji(text: str, *, corporate: bool = False) -> NameReading:
    return read_name(text, script=Script.KANJI, corporate=corporate)


def kana(text: str, *, corporate: bool = False) -> NameReading:
    return read_name(text, script=Script.KANA, corporate=corporate)


def is_clean(reading: NameReading, text: str) -> bool:
    """Taken as it was given."""
    return reading == NameReading(text=text)


# Kanji


@pytest.mark.parametrize(
    "text",
    ["山田", "髙﨑", "㈱①Ⅷ", "さいとう", "フリービット", "Ａ１", "々〆ヶ", "・ー", "￠￡￢∥－～", "\ufa19", "斎藤齋齊"],
)
def test_what_windows_31j_writes_with_two_bytes_is_a_kanji_name(text: str) -> None:
    assert is_clean(kanji(text), text)


def test_shift_jis_would_be_the_wrong_codec() -> None:
    for character in "髙﨑①㈱":
        with pytest.raises(UnicodeEncodeError):
            character.encode("shift_jis")
        assert is_full_width(character)


@pytest.mark.parametrize("wrong", ["𠮷", "é", "한", "\u845b\U000e0100", "😀", "\ud800", "\xa0", "\u2003", VOICED])
def test_what_windows_31j_cannot_write_is_refused(wrong: str) -> None:
    [problem] = kanji(f"山{wrong}").problems
    assert problem.startswith("Windows-31J cannot write: ")


@pytest.mark.parametrize("control", ["\x00", "\x1f", "\t", "\n", "\x7f", "\x80", "\x9f"])
def test_control_characters_are_refused_though_the_codec_writes_some(control: str) -> None:
    [problem] = kanji(f"山{control}田").problems
    assert problem == f"Windows-31J cannot write: U+{ord(control):04X}"


def test_six_characters_do_not_come_back_and_their_partners_are_named() -> None:
    found = {
        character
        for character in map(chr, range(0xD800))
        if character.encode("cp932", "ignore").decode("cp932") not in ("", character)
    }
    assert found == set(LOOKALIKES) == set("¢£¬‖−〜")
    for character, partner in LOOKALIKES.items():
        [problem] = kanji(f"山{character}").problems
        assert problem == f"Windows-31J has another character that looks the same: {character}→{partner}"
        assert is_clean(kanji(f"山{partner}"), f"山{partner}")


@pytest.mark.parametrize("wrong", ["A", "~", "1", "\\"])
def test_half_width_letters_are_refused(wrong: str) -> None:
    assert kanji(f"山{wrong}{wrong}").problems == (f"Half-width characters are not allowed: {wrong}",)


@pytest.mark.parametrize("script", Script)
def test_half_width_katakana_are_refused_not_converted(script: Script) -> None:
    reading = read_name("ﾔﾏﾀﾞ", script=script, corporate=True)
    assert (reading.text, reading.changes) == ("ﾔﾏﾀﾞ", ())
    assert reading.problems == ("Half-width katakana are not allowed, write full-width ones: ﾔ ﾏ ﾀ ﾞ",)


def test_each_kind_of_fault_is_told_once() -> None:
    assert kanji("aｱ〜𠮷b").problems == (
        "Half-width characters are not allowed: a b",
        "Half-width katakana are not allowed, write full-width ones: ｱ",
        "Windows-31J has another character that looks the same: 〜→～",
        "Windows-31J cannot write: 𠮷",
    )
    [problem] = kanji("abcdefghijklm").problems
    assert problem == "Half-width characters are not allowed: a b c d e f g h i j …"


def test_private_use_is_doubted_only() -> None:
    reading = kanji("山\ue000")
    assert (reading.problems, len(reading.doubts)) == ((), 1)


# A legal name is not rewritten


@pytest.mark.parametrize("text", ["㈱", "\ufa19", "Ａ", "①", "\uf9dc"])
def test_no_normal_form_is_applied(text: str) -> None:
    assert unicodedata.normalize("NFKC", text) != text
    assert kanji(text).text == text


@pytest.mark.parametrize(
    ("given_text", "composed"),
    [
        (f"カ{VOICED}", "ガ"),
        (f"ハ{HALF_VOICED}ハ{VOICED}", "パバ"),
        (f"ウ{VOICED}ィ", "ヴィ"),
        (f"か{VOICED}", "が"),
        (f"\ufa19カ{VOICED}", "\ufa19ガ"),
        (f"ア{VOICED}", f"ア{VOICED}"),
        (f"山{VOICED}", f"山{VOICED}"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_only_kana_are_composed(given_text: str, composed: str) -> None:
    assert compose_kana(given_text) == composed


def test_a_composed_name_is_reported() -> None:
    reading = kana(f"カ{VOICED}ワ")
    assert (reading.text, reading.problems) == ("ガワ", ())
    assert reading.changes == ("Letter and sound mark were two characters; they are one now.",)


# Kana


def test_the_document_has_82_letters_36_others_and_the_space() -> None:
    allowed = [character for character in map(chr, range(0x10000)) if is_kana(character)]
    letters = [character for character in allowed if "\u30a0" <= character <= "\u30ff"]
    assert (len(letters), len(allowed)) == (82, 82 + 10 + 26)
    assert set("ヮヴンーァ") < set(letters)
    assert set(map(chr, range(0x30A0, 0x3100))) - set(letters) == {
        *"゠ヰヱヲヵヶヷヸヹヺ・ヽヾヿ",
    }
    assert all(map(is_full_width, allowed))


@pytest.mark.parametrize("wrong", list("゠ヰヱヲヵヶヷヸヹヺ・ヽヾヿａ山。゛"))
def test_kana_that_the_document_leaves_out_are_refused(wrong: str) -> None:
    assert kana(f"ヤ{wrong}").problems == (f"The provider does not take these in kana: {wrong}",)


@pytest.mark.parametrize("hyphen", list("－‐−-‑–—―ｰ"))
def test_a_hyphen_is_no_long_vowel(hyphen: str) -> None:
    assert kana(f"ヤ{hyphen}").problems == (f"The long vowel sign is ー (U+30FC), not a hyphen: {hyphen}",)


def test_hiragana_are_no_katakana() -> None:
    assert kana("やまだ").problems == ("Write katakana, not hiragana: や ま だ",)


# Spaces


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("フリービット 株式会社", f"フリービット{SPACE}株式会社"),
        ("フリービット   株式会社", f"フリービット{SPACE}株式会社"),
        (f"フリービット {SPACE} 株式会社", f"フリービット{SPACE}株式会社"),
        ("あ い う", f"あ{SPACE}い{SPACE}う"),
    ],
)
def test_trap_02_a_companys_inner_spaces_become_full_width_visibly(text: str, corrected: str) -> None:
    reading = kanji(text, corporate=True)
    assert (reading.text, reading.problems) == (corrected, ())
    assert reading.changes == ("Half-width spaces became one full-width space.",)


@pytest.mark.parametrize("text", [f"フリービット{SPACE}株式会社", f"あ{SPACE}{SPACE}い"])
def test_full_width_spaces_of_a_company_stay_as_they_are(text: str) -> None:
    assert is_clean(kanji(text, corporate=True), text)


@pytest.mark.parametrize("text", [" 株", "株 ", f"{SPACE}株", f"株{SPACE}", SPACE, " "])
@pytest.mark.parametrize("corporate", [True, False])
def test_no_space_at_an_edge(text: str, corporate: bool) -> None:
    reading = kanji(text, corporate=corporate)
    assert reading.text == text
    assert reading.problems == ("No space at the beginning or the end.",)


@pytest.mark.parametrize("space", [" ", SPACE])
def test_a_persons_name_has_no_space(space: str) -> None:
    for reading in (kanji(f"山{space}田"), kana(f"ヤ{space}マ")):
        assert (reading.changes, len(reading.problems)) == ((), 1)
        assert reading.problems[0].startswith("No space in a person's name")


@pytest.mark.parametrize("space", ["\xa0", "\u2002", "\u200b", "\t"])
def test_other_spaces_are_not_put_right(space: str) -> None:
    reading = kanji(f"株{space}式", corporate=True)
    assert (reading.text, reading.changes, len(reading.problems)) == (f"株{space}式", (), 1)


# Lengths


def test_one_part_has_50_characters_after_the_correction() -> None:
    assert kanji("山" * 50).problems == ()
    assert kanji("山" * 51).problems == ("At most 50 characters.",)
    assert kana(f"カ{VOICED}" * 50).problems == ()
    assert kana(f"カ{VOICED}" * 51).problems == ("At most 50 characters.",)


def test_the_space_between_counts() -> None:
    assert measure_full_name("山" * 25, "山" * 24) == 50
    assert measure_full_name("山" * 25, "山" * 25) == 51


@given(st.text(max_size=60), st.sampled_from(Script), st.booleans())
def test_whatever_is_given_it_is_judged_and_a_second_reading_changes_nothing(
    text: str, script: Script, corporate: bool
) -> None:
    reading = read_name(text, script=script, corporate=corporate)
    again = read_name(reading.text, script=script, corporate=corporate)
    assert (again.text, again.changes, again.problems) == (reading.text, (), reading.problems)
    if not reading.problems:
        bare = reading.text.replace(SPACE, "")
        assert bare.encode("cp932").decode("cp932") == bare
        assert all(is_full_width(character) for character in bare)
