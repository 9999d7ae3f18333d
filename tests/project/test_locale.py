"""The Japanese texts: complete, compiled, with all that they must hold; and stored English retold."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po
from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext

from config.borrowed import PERMISSIONS
from config.retelling import SENTENCES, name_actor, retell
from config.templatetags.roamdesk import retold
from esims.states import date_words, instant_words, japan_date_words
from tests.project.messages import extract_texts, find_faults
from tests.project.sources import APPS, find_files


def test_every_text_is_collected_translated_and_compiled() -> None:
    assert find_faults(texts=extract_texts()) == []


def write_catalog(folder: Path, *texts: tuple[str, str], obsolete: bool = False) -> None:
    place = folder / "ja" / "LC_MESSAGES"
    place.mkdir(parents=True)
    catalog = Catalog(locale="ja")
    for text, translated in texts:
        catalog.add(text, translated, context="here")
    with (place / "django.mo").open("wb") as file:
        write_mo(file, catalog)
    if obsolete:
        catalog.obsolete["Gone"] = catalog.get(texts[0][0], "here") or catalog["Gone"]
    with (place / "django.po").open("wb") as file:
        write_po(file, catalog)


@pytest.mark.parametrize(
    ("text", "translated", "fault"),
    [
        ("%(n)s of %(all)s", "%(all)s中%(n)s", None),
        ("%(n)s of %(all)s", "%(n)s", "django.po: other placeholders: '%(n)s of %(all)s'"),
        ("5 %% of %(all)s", "%(all)sの5%%", None),
        ("5 %% of %(all)s", "%(all)sの5", "django.po: other placeholders: '5 %% of %(all)s'"),
        ("{name} left", "{nome}", "django.po: other placeholders: '{name} left'"),
    ],
)
def test_lost_placeholders_are_seen(tmp_path: Path, text: str, translated: str, fault: str | None) -> None:
    write_catalog(tmp_path, (text, translated))
    assert find_faults(tmp_path, texts={("here", text)}) == ([fault] if fault else [])


def test_texts_that_came_and_went_are_seen(tmp_path: Path) -> None:
    write_catalog(tmp_path, ("Plan", "プラン"), obsolete=True)
    assert find_faults(tmp_path, texts={(None, "Plan")}) == [
        "django.po: not collected (make messages): 'Plan'",
        "django.po: no longer in the sources: 'Plan'",
        "django.po: obsolete: 'Plan'",
    ]


def test_texts_are_found_in_code_and_pages(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "code.py").write_text(
        '_("one")\npgettext("place", "two")\nngettext("%(n)d x", "%(n)d xs", 3)\n'
    )
    (tmp_path / "page.html").write_text(
        "{% load i18n %}<p>\n      {% translate 'three' %}\n  {% blocktranslate %}four {{ n }} %{% endblocktranslate %}"
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "code.py").write_text('_("a test\'s")')
    assert extract_texts(tmp_path) == {
        (None, "one"),
        ("place", "two"),
        (None, "%(n)d x"),
        (None, "three"),
        (None, "four %(n)s %%"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "This password is too short. It must contain at least %d character.",  # Django's
        "The email address and/or password you specified are not correct.",  # allauth's
    ],
)
def test_packages_bring_their_japanese(text: str) -> None:
    with translation.override("ja"):
        assert re.search("[ぁ-ん]", gettext(text) if "%d" not in text else translation.ngettext(text, text, 8))


def test_every_field_has_a_name_to_translate() -> None:
    ours = [model for model in apps.get_models() if model._meta.app_label in APPS]
    assert ours
    assert [
        f"{model._meta.label}.{field.name}"
        for model in ours
        for field in model._meta.concrete_fields
        if not isinstance(field.verbose_name, Promise) and not field.primary_key
    ] == []
    assert [model._meta.label for model in ours if not isinstance(model._meta.verbose_name_plural, Promise)] == []


def test_every_permission_that_a_page_asks_for_has_a_name_to_translate() -> None:
    """Whoever may not open a page is told the permission's name, which is a row made of English."""
    ours = [model for model in apps.get_models() if model._meta.app_label in APPS]
    names = {
        f"{model._meta.app_label}.{codename}": name
        for model in ours
        for codename, name in (
            *model._meta.permissions,
            *(
                (get_permission_codename(action, model._meta), f"Can {action} {model._meta.verbose_name_raw}")
                for action in model._meta.default_permissions
            ),
        )
    }
    texts = "\n".join(path.read_text() for path in find_files(*APPS, "templates", endings=(".py", ".html")))
    words = set(re.findall(r"\b[a-z]+\.[a-z_]+\b", texts))
    asked = {name for permission, name in names.items() if permission in words}
    assert "Can view plan" in asked
    assert asked - set(PERMISSIONS) == set()
    assert set(PERMISSIONS) - set(names.values()) == set()


def test_dates_are_japanese() -> None:
    with translation.override("ja"), timezone.override(ZoneInfo("Asia/Tokyo")):
        assert instant_words(datetime(2026, 4, 30, 20, 5, tzinfo=UTC)) == "2026年5月1日 05:05 JST"
        assert date_words(date(2026, 12, 7)) == "2026年12月7日"
        assert japan_date_words(date(2026, 12, 7)) == "2026年12月7日（日本の日付）"


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("", ""),
        ("paid", "入金"),
        ("The provider could not be reached in time", "時間内に仕入先に接続できませんでした"),
        (
            "The provider refused (HTTP 402 NO_BALANCE): The balance is too low",
            "仕入先に拒否されました（HTTP 402 NO_BALANCE）：The balance is too low",
        ),
        (
            "asked again with the same key: The provider answered HTTP 503; the request may have been carried out",
            "同じキーで再送します：仕入先の応答はHTTP 503でした。処理された可能性があります",
        ),
        (
            "2 inquiries agree: 7 of 8 were delivered",
            "2回の照会の結果が一致しました：8枚中7枚を納品",
        ),
        (
            "Nothing was sent. The provider account is paused or not set up.",
            "何も送信されていません。仕入先契約が停止中か、設定されていません。",
        ),
        (
            "The provider named lines twice: 8981\nThe customer called: is it paid? paid",
            "仕入先から、同じ回線が重複して通知されました：8981\nThe customer called: is it paid? paid",
        ),
        (
            "Nothing was sent. The line is suspended already.",
            "何も送信されていません。この回線はすでに一時停止中です。",
        ),
        (
            "Nothing was sent. The line has ended (cancelled): nothing can be done with it any more.",
            "何も送信されていません。この回線は終了しているため（キャンセル済み）、操作できません。",
        ),
        ("The provider did not answer in time (504)", "時間内に仕入先から応答がありませんでした（504）"),
        (
            "The provider refused (400-215): The plan code is not right.",
            "仕入先に拒否されました（400-215）：プランコードが正しくありません。",
        ),
        (
            "The provider answered without a reason; the request may have been carried out",
            "仕入先の応答は「理由の記載なし」でした。処理された可能性があります",
        ),
        (
            "an unknown event; 2 to be read again; names nothing of ours",
            "未知のイベントです。2件を再度読み込みます。自社に該当するものはありません",
        ),
        ("several to be read again", "several to be read again"),
        ("items[3].netPrice is not a number from 0", "items[3].netPrice：0以上の数値ではありません"),
        ("comes twice", "重複しています"),
        ("The customer is waiting", "The customer is waiting"),
        (
            "has something that is no phone number; has a date that cannot be read",
            "電話番号として正しくない値があります。読み取れない日付があります",
        ),
        ("The provider answered nonsense: it has no orderList", "仕入先の応答が不正です：orderListがありません"),
        (
            "came late: the purchase was “cancelled”; has a date that cannot be read",
            "遅れて届きました：仕入は「キャンセル済み」でした。読み取れない日付があります",
        ),
        ("Nothing was bought, says Mr. Ito. Resume it.", "Nothing was bought, says Mr. Ito. Resume it."),
    ],
)
def test_stored_sentences_are_retold(stored: str, told: str) -> None:
    with translation.override("ja"):
        assert retold(stored) == told
    with translation.override("en"):
        assert retell(stored) == stored


def test_parts_of_the_program_have_names() -> None:
    with translation.override("ja"):
        assert name_actor("sweeper") == "システム（監視）"
        assert name_actor("mika@desk.example") == "mika@desk.example"
    with translation.override("en"):
        assert name_actor("sweeper") == "sweeper"


def test_what_is_retold_is_still_written() -> None:
    """Whoever changes such a sentence in the code that writes it changes it in ``config/retelling.py`` as well."""
    texts = [path.read_text() for path in find_files(*APPS, endings=(".py",)) if path.name != "retelling.py"]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    gone = [
        sentence
        for sentence in SENTENCES
        for part in re.split(r"%\(\w+\)s", sentence)
        if len(part.strip(" .,:;()")) > 2 and part.strip(" .,:;()") not in code
    ]
    assert gone == []
