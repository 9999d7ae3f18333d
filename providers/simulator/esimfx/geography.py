"""Where the simulated products work: destinations and their networks with MCC and MNC.

Names are of real countries and networks so that screens look like work; what is offered is invented.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A mobile network as the provider names it."""

    mccmnc: str
    name: str
    speed: str


@dataclass(frozen=True)
class Destination:
    """What a product covers: a country or a group of countries.

    `region` is the word of the `region` filter and of the top-up rule; `tag` ends the stable product ids.
    """

    region: str
    tag: str
    covers: tuple[str, ...]
    networks: tuple[Network, ...]
    european: bool


# code | name | MCC | MNC name speed, …
_TABLE = """
JP|Japan|440|10 NTT DOCOMO 5G, 20 SOFTBANK 5G, 51 KDDI au 5G
KR|South Korea|450|05 SK Telecom 5G, 08 KT 5G
TW|Taiwan|466|92 Chunghwa Telecom 5G, 97 Taiwan Mobile 4G
HK|Hong Kong|454|12 China Mobile Hong Kong 5G, 03 3HK 5G
MO|Macao|455|01 CTM 5G
CN|China|460|01 China Unicom 5G, 00 China Mobile 5G
TH|Thailand|520|03 AIS 5G, 04 TrueMove H 5G
VN|Vietnam|452|04 Viettel 4G, 02 Vinaphone 4G
SG|Singapore|525|01 Singtel 5G, 05 StarHub 5G
MY|Malaysia|502|12 Maxis 5G, 19 CelcomDigi 4G
ID|Indonesia|510|10 Telkomsel 4G, 11 XL Axiata 4G
PH|Philippines|515|02 Globe 5G, 03 Smart 4G
KH|Cambodia|456|06 Smart Axiata 4G
IN|India|404|10 Airtel 5G
LK|Sri Lanka|413|02 Dialog 4G
AU|Australia|505|01 Telstra 5G, 02 Optus 5G
NZ|New Zealand|530|01 One NZ 5G, 05 Spark 5G
US|United States|310|260 T-Mobile 5G, 410 AT&T 5G
CA|Canada|302|720 Rogers 5G, 610 Bell 5G
MX|Mexico|334|020 Telcel 5G, 030 Movistar 4G
BR|Brazil|724|06 Vivo 5G, 02 TIM 5G
AR|Argentina|722|310 Claro 4G, 34 Personal 4G
CL|Chile|730|01 Entel 5G, 02 Movistar 4G
PE|Peru|716|10 Claro 4G, 17 Entel 4G
CO|Colombia|732|101 Claro 4G, 103 Tigo 4G
GB|United Kingdom|234|30 EE 5G, 15 Vodafone 5G, 10 O2 4G
IE|Ireland|272|05 Three 5G, 01 Vodafone 4G
FR|France|208|01 Orange 5G, 10 SFR 5G
ES|Spain|214|07 Movistar 5G, 03 Orange 5G
PT|Portugal|268|06 MEO 5G, 03 NOS 5G
IT|Italy|222|01 TIM 5G, 88 WindTre 5G
DE|Germany|262|01 Telekom 5G, 03 O2 5G
AT|Austria|232|01 A1 5G, 03 Magenta 5G
CH|Switzerland|228|01 Swisscom 5G, 02 Sunrise 5G
NL|Netherlands|204|08 KPN 5G, 16 Odido 5G
BE|Belgium|206|01 Proximus 5G, 10 Orange 4G
DK|Denmark|238|01 TDC 5G, 02 Telenor 5G
SE|Sweden|240|01 Telia 5G, 07 Tele2 5G
NO|Norway|242|01 Telenor 5G, 02 Telia 5G
FI|Finland|244|05 Elisa 5G, 12 DNA 5G
PL|Poland|260|06 Play 5G, 03 Orange 4G
CZ|Czechia|230|01 T-Mobile 5G, 02 O2 4G
GR|Greece|202|01 Cosmote 5G, 05 Vodafone 5G
HR|Croatia|219|01 HT 5G, 10 A1 5G
RO|Romania|226|10 Orange 5G, 05 Digi 4G
TR|Türkiye|286|01 Turkcell 4G, 02 Vodafone 4G
AE|United Arab Emirates|424|03 du 5G, 02 Etisalat 5G
SA|Saudi Arabia|420|01 stc 5G, 03 Mobily 4G
QA|Qatar|427|01 Ooredoo 5G
IL|Israel|425|01 Partner 5G
EG|Egypt|602|01 Orange 4G, 02 Vodafone 4G
MA|Morocco|604|01 Maroc Telecom 4G
KE|Kenya|639|02 Safaricom 4G
ZA|South Africa|655|01 Vodacom 5G, 10 MTN 5G
"""

_EUROPE = (
    *("GB", "IE", "FR", "ES", "PT", "IT", "DE", "AT", "CH", "NL", "BE"),
    *("DK", "SE", "NO", "FI", "PL", "CZ", "GR", "HR", "RO"),
)
_REGIONS: Mapping[str, Sequence[str]] = {
    "Asia": ("JP", "KR", "TW", "HK", "MO", "TH", "VN", "SG", "MY", "ID", "PH", "KH"),
    "Japan & Korea": ("JP", "KR"),
    "Greater China": ("HK", "MO", "CN", "TW"),
    "Oceania": ("AU", "NZ"),
    "North America": ("US", "CA", "MX"),
    "Latin America": ("MX", "BR", "AR", "CL", "PE", "CO"),
    "Europe": _EUROPE,
    "Nordics": ("DK", "SE", "NO", "FI"),
    "Middle East": ("AE", "SA", "QA", "IL", "TR"),
    "Africa": ("EG", "MA", "KE", "ZA"),
    "Global": (
        *("JP", "KR", "TW", "HK", "SG", "TH", "MY", "AU", "NZ", "US", "CA", "MX", "BR"),
        *("GB", "FR", "ES", "IT", "DE", "CH", "NL", "GR", "TR", "AE", "ZA", "IN"),
    ),
}


def _read_destinations() -> tuple[Destination, ...]:
    """Countries first, then groups of them with the first network of each country."""
    countries: dict[str, Destination] = {}
    for line in _TABLE.strip().splitlines():
        code, name, mcc, texts = line.split("|")
        networks = tuple(_read_network(mcc, text) for text in texts.split(", "))
        countries[code] = Destination(name, code, (code,), networks, european=code in _EUROPE)
    groups = [
        Destination(
            region,
            region.upper().replace(" & ", "-").replace(" ", "-"),
            tuple(codes),
            tuple(countries[code].networks[0] for code in codes),
            european=set(codes) <= set(_EUROPE),
        )
        for region, codes in _REGIONS.items()
    ]
    return (*countries.values(), *groups)


def _read_network(mcc: str, text: str) -> Network:
    mnc, rest = text.split(" ", 1)
    name, speed = rest.rsplit(" ", 1)
    return Network(mcc + mnc, name, speed)


DESTINATIONS: Sequence[Destination] = _read_destinations()
