"""Our adapter at four houses: what is sent, what the answers mean, keys that end, names, and files of every form."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from providers.base import Provider
from providers.errors import NotSent, OutcomeUnknown, ProviderError, RateLimited, Rejected
from providers.reading import UnreadableError
from providers.registry import get_provider
from tests.emulator.wire import Fault
from tests.emulator_freebit.conftest import OpenOffice
from tests.emulator_freebit.files import LAYOUTS
from tests.emulator_freebit.making import EXAMPLES, make_eid, make_payload, make_request, make_transfer, send
from tests.emulator_freebit.quirks import VARIANTS, Quirks
from tests.emulator_freebit.rules import Reading
from tests.emulator_freebit.server import OEM_KEY, FreebitHouse

_FIELD_CODES = (
    *(201, 202, 204, 215, 253, 254, 255, 256, 257, 258, 266),
    *(269, 274, 276, 277, 278, 279, 307, 333, 356, 360, 370),
)
#: Detail code -> (what is raised, what staff can mend)
MEANINGS: Mapping[int, tuple[type[ProviderError], str | None]] = {
    **dict.fromkeys(_FIELD_CODES, (Rejected, "data")),
    **dict.fromkeys((205, 228), (Rejected, "credentials")),
    **dict.fromkeys((232, 210, 287, 288, 289, 304, 372), (Rejected, "data")),
    **dict.fromkeys((208, 310, 371), (Rejected, None)),
    275: (Rejected, "stock"),
    374: (Rejected, "time"),
    **dict.fromkeys((230, 284), (RateLimited, None)),
    900: (OutcomeUnknown, None),
}


def strip(request: Mapping[str, Any]) -> dict[str, Any]:
    """Without the key, and without the flag's default."""
    kept = {name: value for name, value in request.items() if name != "authKey"}
    return {name: value for name, value in kept.items() if (name, value) != ("aladinOperated", "20")}


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["new, plan", "new, parent", "MNP, UMS, person", "reissue"])
def test_examples_go_out_as_printed(name: str, open_office: OpenOffice) -> None:
    office = open_office(VARIANTS["strict"], uses_ums="UMS" in name)
    house, provider = office.emulator, get_provider(office.account.slug)
    house.books.accounts.add("08011112225")
    house.books.products.add("CD0009999999004")
    example = EXAMPLES[name]
    request = make_request(example, eid=example["eid"], code=example.get("deliveryCode", "R1"))
    outcome = send(provider, request)
    assert (outcome.final, outcome.lines, outcome.order_ref) == (False, (), request.delivery_code)
    assert strip(house.books.taken[0].request) == {**example, "deliveryCode": request.delivery_code}
    (arrival,) = house.find("activate")
    assert arrival.path == "/emptool/api/mvno/esim/addAcnt/"
    assert house.complaints == []


@pytest.mark.parametrize("name", ["operated MNP, UMS", "operated MNP, parent"])
def test_examples_that_their_own_rule_refuses(name: str, open_office: OpenOffice) -> None:
    """Not sent, unless the setting lifts the ban."""
    example = EXAMPLES[name]
    request = make_request(example, eid=example["eid"], code=example.get("deliveryCode", "R1"))
    office = open_office(uses_ums="UMS" in name)
    with pytest.raises(Rejected) as refusal:
        get_provider(office.account.slug).send_activation(request)
    assert (refusal.value.code, office.emulator.arrivals) == ("356", [])
    office = open_office(uses_ums="UMS" in name, allows_other=True)
    send(get_provider(office.account.slug), request)
    assert strip(office.emulator.books.taken[0].request) == {**example, "deliveryCode": request.delivery_code}
    assert office.emulator.complaints == []


def test_companys_example_has_a_space_that_is_not_allowed(open_office: OpenOffice) -> None:
    office = open_office()
    provider = get_provider(office.account.slug)
    example = EXAMPLES["MNP, company"]
    send(provider, make_request(example, eid=example["eid"]))
    # Between the words of a company's name it becomes the one space that is.
    names = {name: value.replace(" ", "　") for name, value in example["mnp"].items()}
    assert office.emulator.books.taken[0].request["mnp"] == names
    person = make_transfer(lastnameKanji="山 田")
    with pytest.raises(Rejected) as refusal:
        provider.send_activation(make_request(person))
    assert (refusal.value.code, office.emulator.count("activate")) == ("253", 1)


def test_secrets_survive_the_form_field(open_office: OpenOffice) -> None:
    office = open_office(uses_ums=True)
    password = "mpw-+&=%25 ?#/é".replace(" ", "").replace("é", "~")
    master = {"masterAccount": "a+b&c@example.jp", "masterPassword": password}
    send(get_provider(office.account.slug), make_request(make_payload(**master)))
    assert office.emulator.books.taken[0].request["masterPassword"] == password
    office.check_secrets()


NAMES = (
    *(
        ("髙﨑", "太郎", True),
        ("①㈱", "ⅳ", True),
        ("𠮷田", "太郎", False),
        ("山田", "Ta", False),
        ("山 田", "太郎", False),
    ),
    *(("山　田", "太郎", False), ("ﾔﾏﾀﾞ", "太郎", False), ("神〜", "太郎", False), ("神～", "太郎", True)),
    *(("山" * 25, "川" * 24, True), ("山" * 25, "川" * 25, False), ("山" * 49, "", False)),
)
KANA = (
    *(("ヴァン", "ヮ", True), ("ヲ", "タロウ", False), ("ヵヶ", "タロウ", False), ("ジョン・", "タロウ", False)),
    *(("ヤマダ－", "タロウ", False), ("ヤマダー", "タロウ", True), ("Ａ９", "Ｚ", True), ("ａ", "タロウ", False)),
    *(
        ("やまだ", "タロウ", False),
        ("ヤ　マ", "タロウ", False),
        ("ア" * 25, "イ" * 24, True),
        ("ア" * 25, "イ" * 25, False),
    ),
)


@pytest.mark.parametrize("script", ["Kanji", "ZenKana"])
def test_names_are_judged_alike(script: str, open_office: OpenOffice) -> None:
    """What we let out, the house takes; what it would refuse never leaves."""
    office = open_office()
    provider, house = get_provider(office.account.slug), office.emulator
    for last, first, fits in NAMES if script == "Kanji" else KANA:
        before = len(house.books.taken)
        names = {f"lastname{script}": last, f"firstname{script}": first}
        try:
            send(provider, make_request(make_transfer(**names)))
        except Rejected:
            assert not fits, (last, first)
            assert house.count("activate") == before
        assert len(house.books.taken) == before + fits, (last, first)


_VALUES: Mapping[str, tuple[Any, ...]] = {
    "aladinOperated": (None, "10", "20", "1", "１０"),
    "createType": (None, "new", "add", "NEW"),
    "account": (None, "08011112222", "0801111222", "080111122223333", "０８０１１１１２２２２"),
    "simKind": (None, "E0", "E2", "e2", "E9"),
    "contractLine": (None, "4G", "5G", "3G"),
    "repAccount": (None, "08000001111", "0800"),
    "addKind": ("N", "M", "R", "n", None),
    "shipDate": (None, "20170301", "20990101", "20170230", "2017/03/01"),
    "planCode": (None, "100K_PLAN", "X" * 33, "計画"),
    "masterAccount": (None, "a@b.jp", "x" * 65),
    "masterPassword": (None, "mpw-1", "x" * 257),
    "reissue": (None, {"oldProductNumber": "CD0009999999004"}, {"oldProductNumber": "cd0009999999004"}, {}),
}


@examples(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.fixed_dictionaries({name: st.sampled_from(choices) for name, choices in _VALUES.items()}),
    has_mnp=st.booleans(),
    uses_ums=st.booleans(),
)
def test_nothing_leaves_that_the_tables_refuse(
    values: dict[str, Any], has_mnp: bool, uses_ums: bool, open_office: OpenOffice
) -> None:
    """Two readings of the same tables: whatever ours lets out has no fault by theirs, and nothing needless in it."""
    office = open_office(uses_ums=uses_ums)
    house = office.emulator
    payload = {name: value for name, value in values.items() if value is not None}
    if has_mnp:
        payload["mnp"] = make_transfer()["mnp"]
    before = house.count("activate")
    request = make_request(payload)
    try:
        get_provider(office.account.slug).send_activation(request)
    except Rejected:
        assert house.count("activate") == before
        theirs = Reading(
            {**payload, "eid": request.eid, "deliveryCode": request.delivery_code},
            uses_ums=uses_ums,
            allows_other=False,
        )
        # Ours may also refuse what is only needless; it never refuses what is neither wrong nor needless.
        assert theirs.faults() or theirs.needless, payload
    assert house.complaints == []


# -- what is answered -------------------------------------------------------------------------------------------------


def test_every_code_of_the_table(provider: Provider, house: FreebitHouse) -> None:
    assert len(MEANINGS) == 39
    for detail, (kind, mend) in MEANINGS.items():
        fault = Fault(kind="answer", body=house.word(detail))
        house.meet("activate", fault, fault)
        with pytest.raises(kind) as refusal:
            send(provider, make_request(make_payload()))
        assert refusal.type is kind, detail
        assert (refusal.value.code, getattr(refusal.value, "mend", None)) == (str(detail), mend)
        if isinstance(refusal.value, RateLimited):
            assert refusal.value.retry_after >= timedelta(seconds=30)
        house.faults.clear()
    assert house.books.taken == []
    # Only a refused key is a reason to send once more.
    assert house.count("activate") == len(MEANINGS) + 2


def test_house_that_really_refuses(provider: Provider, house: FreebitHouse) -> None:
    books = house.books
    eid = make_eid()
    send(provider, make_request(make_payload(), eid=eid))
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request(make_payload(), eid=eid))
    assert (refusal.value.code, refusal.value.mend) == ("371", None)
    unknown = make_eid()
    books.unknown_eids.add(unknown)
    books.parents["08000002222"] = type(books.parents["08000001111"])(free=0)
    books.parents["08000003333"] = type(books.parents["08000001111"])(is_locked=True)
    books.months[(tired := make_eid())] = 3
    for changes, device, code in (
        ({"planCode": "OTHER"}, "", "232"),
        ({}, unknown, "372"),
        ({}, tired, "374"),
        ({"repAccount": "08000002222"}, "", "275"),
        ({"repAccount": "08000003333"}, "", "284"),
        ({"repAccount": "08000009999"}, "", "287"),
    ):
        with pytest.raises(ProviderError) as refusal_again:
            send(provider, make_request(make_payload(**changes), eid=device))
        assert refusal_again.value.code == code
    assert (len(books.taken), house.complaints) == (1, [])


@pytest.mark.parametrize(
    "kind", ["reset_before", "reset_after", "close_before", "cut", "500", "mute", "html", "205 in 200"]
)
def test_lost_answer_is_never_sent_again(kind: str, open_office: OpenOffice) -> None:
    office = open_office()
    provider, house = get_provider(office.account.slug), office.emulator
    provider.check()
    fault = {
        "cut": Fault(kind="cut", cut=lambda body: len(body) // 2),
        "500": Fault(kind="answer", status=500, effect=True, body=b""),
        "mute": Fault(kind="answer", effect=True, body=b"{}"),
        "html": Fault(kind="answer", effect=True, body=b"<html>OK</html>"),
        "205 in 200": Fault(
            kind="answer", effect=True, body=b'{"resultCode":205,"status":{"message":"OK","statusCode":200}}'
        ),
    }.get(kind) or Fault(kind=kind)
    house.meet("activate", fault)
    with pytest.raises(OutcomeUnknown):
        send(provider, make_request(make_payload()))
    assert (house.count("activate"), len(house.books.taken)) == (1, int(kind not in ("reset_before", "close_before")))


def test_keys_end_after_every_call(provider: Provider, house: FreebitHouse) -> None:
    """A key that is over is replaced once, and the activation is taken once."""
    for _ in range(4):
        send(provider, make_request(make_payload()))
    assert len(house.books.taken) == 4
    assert house.count("auth") == -(-4 // house.quirks.key_calls)
    assert house.count("activate") == 4 + house.count("auth") - 1
    house.keys.clear()
    send(provider, make_request(make_payload()))
    assert (len(house.books.taken), house.complaints) == (5, [])


def test_wrong_oem_key(variant: Quirks, open_office: OpenOffice) -> None:
    office = open_office(variant, OEM_KEY="oemkey-of-somebody")
    provider = get_provider(office.account.slug)
    with pytest.raises(Rejected) as refusal:
        provider.check()
    assert (refusal.value.mend, "oemkey-of" in refusal.value.message) == ("credentials", False)
    with pytest.raises(Rejected):
        provider.send_activation(make_request(make_payload()))
    assert office.emulator.count("activate") == 0


def test_no_key_means_nothing_was_sent(open_office: OpenOffice) -> None:
    office = open_office()
    office.emulator.meet("auth", Fault(kind="reset_after"), Fault(kind="answer", status=503, body=b""))
    for _ in range(2):
        with pytest.raises(NotSent):
            get_provider(office.account.slug).send_activation(make_request(make_payload()))
    assert office.emulator.count("activate") == 0


def test_house_that_echoes_our_secrets(open_office: OpenOffice) -> None:
    office = open_office()
    provider = get_provider(office.account.slug)
    provider.check()
    (key,) = office.emulator.keys
    text = f"{OEM_KEY} authKey={key} {make_eid()}"
    body = f'{{"resultCode":204,"status":{{"message":"{text}","statusCode":400}}}}'.encode()
    office.emulator.meet("activate", Fault(kind="answer", body=body))
    with pytest.raises(Rejected) as refusal:
        send(provider, make_request(make_transfer()))
    assert not office.secret.search(refusal.value.message)
    office.check_secrets()


def test_twenty_a_minute_are_ours(open_office: OpenOffice) -> None:
    office = open_office(LIMITS="{}")
    provider = get_provider(office.account.slug)
    for _ in range(20):
        send(provider, make_request(make_payload()))
    with pytest.raises(RateLimited):
        provider.send_activation(make_request(make_payload()))
    assert office.emulator.count("activate") == 20


# -- the completion file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_file_of_any_form(name: str, open_office: OpenOffice) -> None:
    layout = LAYOUTS[name]
    office = open_office(**layout.settings())
    provider, books = get_provider(office.account.slug), office.emulator.books
    for _ in range(3):
        send(provider, make_request(make_payload()))
    first, second, third = books.taken
    books.finish(first)
    books.finish(second, code="288")
    books.finish(third)
    file = provider.read_completions(layout.write(books.taken))
    assert file.faults == ()
    assert [row.succeeded for row in file.rows] == [True, False, True]
    has = {column for column, _heading in layout.columns}
    for row, taken in zip(file.rows, books.taken, strict=True):
        assert (row.eid, row.delivery_code) == (taken.eid, taken.delivery_code)
        assert row.account_number == (taken.account if "account" in has and taken.state == "done" else "")
        assert row.iccid == (taken.iccid if "iccid" in has else "")
        if "completed_at" in has:
            assert row.completed_at == taken.ended_at
    assert file.rows[1].code == ("288" if "code" in has else file.rows[1].code)
    line = provider.build_completed_line(
        file.rows[0], eid=first.eid, delivery_code=first.delivery_code, seen_at=books.now
    )
    assert (line.provider_ref, line.lpa) == (f"{first.eid}:{first.delivery_code}", "")


def test_damage_costs_its_own_row(open_office: OpenOffice) -> None:
    layout = LAYOUTS["cp932 with headings"]
    office = open_office(**layout.settings())
    provider, books = get_provider(office.account.slug), office.emulator.books
    for _ in range(4):
        send(provider, make_request(make_payload()))
    for taken in books.taken:
        books.finish(taken)
    lines = layout.write(books.taken).split(b"\r\n")
    lines[2] = lines[2][:20] + b"\x81" + lines[2][20:22]
    file = provider.read_completions(b"\r\n".join(lines))
    assert [row.delivery_code for row in file.rows if row.succeeded] == [
        books.taken[place].delivery_code for place in (0, 2, 3)
    ]
    assert len(file.faults) >= 1
    for nonsense in (b"", b"a,b,c\r\n", b"\x00" * 50, b"%PDF-1.7"):
        with pytest.raises(UnreadableError):
            provider.read_completions(nonsense)
