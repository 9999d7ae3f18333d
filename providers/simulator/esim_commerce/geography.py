"""Where the simulated plans work: countries, their networks, regions, and the carriers that sell.

Names are of real countries and networks so that screens look like work; what is offered is invented.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """A destination: ISO 3166-1 alpha-2 code, English name, dialling code, networks with their types."""

    code: str
    name: str
    dialing_code: str
    networks: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Carrier:
    """A `providerCode`, the letters of its plan codes, its home country and its own network there."""

    code: str
    letters: str
    home: str
    network: str


_TABLE = """
JP|Japan|+81|NTT Docomo 4G/5G, KDDI 4G/5G, SoftBank 4G/5G
KR|South Korea|+82|SK Telecom 4G/5G, KT 4G/5G, LG U+ 4G
TW|Taiwan|+886|Chunghwa Telecom 4G/5G, Taiwan Mobile 4G/5G
HK|Hong Kong|+852|China Mobile Hong Kong 4G/5G, 3 4G/5G
MO|Macao|+853|CTM 4G/5G, 3 Macau 4G
CN|China|+86|China Mobile 4G/5G, China Unicom 4G/5G
TH|Thailand|+66|AIS 4G/5G, TrueMove H 4G/5G
VN|Vietnam|+84|Viettel 4G, Vinaphone 4G
SG|Singapore|+65|Singtel 4G/5G, StarHub 4G/5G
MY|Malaysia|+60|Maxis 4G/5G, CelcomDigi 4G
ID|Indonesia|+62|Telkomsel 4G/5G, XL Axiata 4G
PH|Philippines|+63|Globe 4G/5G, Smart 4G
KH|Cambodia|+855|Smart Axiata 4G, Metfone 4G
LA|Laos|+856|Unitel 4G
MM|Myanmar|+95|Ooredoo 4G
IN|India|+91|Airtel 4G/5G, Jio 4G/5G
LK|Sri Lanka|+94|Dialog 4G
NP|Nepal|+977|Ncell 4G
MN|Mongolia|+976|Mobicom 4G
AU|Australia|+61|Telstra 4G/5G, Optus 4G/5G
NZ|New Zealand|+64|One NZ 4G/5G, Spark 4G
FJ|Fiji|+679|Vodafone Fiji 4G
GU|Guam|+1671|GTA 4G, Docomo Pacific 4G
US|United States|+1|T-Mobile 4G/5G, AT&T 4G/5G
CA|Canada|+1|Rogers 4G/5G, Bell 4G/5G
MX|Mexico|+52|Telcel 4G/5G, Movistar 4G
BR|Brazil|+55|Vivo 4G/5G, TIM 4G/5G
AR|Argentina|+54|Claro 4G, Personal 4G
CL|Chile|+56|Entel 4G/5G, Movistar 4G
PE|Peru|+51|Claro 4G, Entel 4G
CO|Colombia|+57|Claro 4G, Tigo 4G
GB|United Kingdom|+44|EE 4G/5G, Vodafone 4G/5G, O2 4G
IE|Ireland|+353|Three 4G/5G, Vodafone 4G
FR|France|+33|Orange 4G/5G, SFR 4G/5G
ES|Spain|+34|Movistar 4G/5G, Orange 4G
PT|Portugal|+351|MEO 4G/5G, NOS 4G
IT|Italy|+39|TIM 4G/5G, WindTre 4G/5G
DE|Germany|+49|Telekom 4G/5G, O2 4G/5G
AT|Austria|+43|A1 4G/5G, Drei 4G
CH|Switzerland|+41|Swisscom 4G/5G, Sunrise 4G
NL|Netherlands|+31|KPN 4G/5G, Odido 4G/5G
BE|Belgium|+32|Proximus 4G/5G, Orange 4G
LU|Luxembourg|+352|POST 4G/5G
DK|Denmark|+45|TDC 4G/5G, Telenor 4G
SE|Sweden|+46|Telia 4G/5G, Tele2 4G/5G
NO|Norway|+47|Telenor 4G/5G, Telia 4G
FI|Finland|+358|Elisa 4G/5G, DNA 4G
IS|Iceland|+354|Siminn 4G/5G
PL|Poland|+48|Play 4G/5G, Orange 4G
CZ|Czechia|+420|T-Mobile 4G/5G, O2 4G
HU|Hungary|+36|Telekom 4G/5G, Yettel 4G
GR|Greece|+30|Cosmote 4G/5G, Vodafone 4G
HR|Croatia|+385|HT 4G/5G, A1 4G
RO|Romania|+40|Orange 4G/5G, Digi 4G
BG|Bulgaria|+359|A1 4G/5G
EE|Estonia|+372|Telia 4G/5G
MT|Malta|+356|Epic 4G/5G
TR|Türkiye|+90|Turkcell 4G, Vodafone 4G
AE|United Arab Emirates|+971|du 4G/5G, Etisalat 4G/5G
SA|Saudi Arabia|+966|stc 4G/5G, Mobily 4G
QA|Qatar|+974|Ooredoo 4G/5G
IL|Israel|+972|Partner 4G/5G
EG|Egypt|+20|Orange 4G, Vodafone 4G
MA|Morocco|+212|Maroc Telecom 4G, inwi 4G
KE|Kenya|+254|Safaricom 4G
ZA|South Africa|+27|Vodacom 4G/5G, MTN 4G
"""

REGIONS: Mapping[str, Sequence[str]] = {
    "Asia": ("JP", "KR", "TW", "HK", "MO", "TH", "VN", "SG", "MY", "ID", "PH", "KH"),
    "Japan & Korea": ("JP", "KR"),
    "Greater China": ("HK", "MO", "CN", "TW"),
    "South-East Asia": ("TH", "VN", "SG", "MY", "ID", "PH", "KH", "LA"),
    "Singapore, Malaysia & Thailand": ("SG", "MY", "TH"),
    "Oceania": ("AU", "NZ", "FJ"),
    "North America": ("US", "CA", "MX"),
    "Latin America": ("MX", "BR", "AR", "CL", "PE", "CO"),
    "Europe": (
        *("GB", "IE", "FR", "ES", "PT", "IT", "DE", "AT", "CH", "NL", "BE", "LU", "DK"),
        *("SE", "NO", "FI", "IS", "PL", "CZ", "HU", "GR", "HR", "RO", "BG", "EE", "MT"),
    ),
    "Western Europe": ("GB", "FR", "ES", "PT", "IT", "DE", "CH", "NL", "BE"),
    "Nordics": ("DK", "SE", "NO", "FI", "IS"),
    "Balkans": ("GR", "HR", "RO", "BG"),
    "Middle East": ("AE", "SA", "QA", "IL", "TR"),
    "Africa": ("EG", "MA", "KE", "ZA"),
    "World": (
        *("JP", "KR", "TW", "HK", "SG", "TH", "MY", "AU", "NZ", "US", "CA", "MX", "BR"),
        *("GB", "FR", "ES", "IT", "DE", "CH", "NL", "GR", "TR", "AE", "ZA", "IN"),
    ),
}

CARRIERS: Sequence[Carrier] = (
    Carrier("KDDI", "KD", "JP", "KDDI"),
    Carrier("SOFTBANK", "RB", "JP", "SoftBank"),
    Carrier("SKT", "SK", "KR", "SK Telecom"),
    Carrier("CHT", "CH", "TW", "Chunghwa Telecom"),
    Carrier("CMHK", "CM", "HK", "China Mobile Hong Kong"),
    Carrier("AIS", "AI", "TH", "AIS"),
    Carrier("SINGTEL", "ST", "SG", "Singtel"),
    Carrier("OPTUS", "OP", "AU", "Optus"),
    Carrier("TMUS", "TM", "US", "T-Mobile"),
    Carrier("ORANGE", "OR", "FR", "Orange"),
    Carrier("MOVISTAR", "MV", "ES", "Movistar"),
    Carrier("O2UK", "UK", "GB", "O2"),
    Carrier("WINDTRE", "WT", "IT", "WindTre"),
    Carrier("TURKCELL", "TC", "TR", "Turkcell"),
)

# Who sells abroad: carriers that offer roaming in countries where no carrier of ours is at home.
ROAMING_CARRIERS: Sequence[str] = ("CMHK", "ORANGE", "SINGTEL", "KDDI", "O2UK")


def _read_table() -> dict[str, Country]:
    countries: dict[str, Country] = {}
    for line in _TABLE.strip().splitlines():
        code, name, dialing, networks = line.split("|")
        parsed = tuple(_read_network(text) for text in networks.split(", "))
        countries[code] = Country(code, name, dialing, parsed)
    return countries


def _read_network(text: str) -> tuple[str, tuple[str, ...]]:
    name, types = text.rsplit(" ", 1)
    return name, tuple(types.split("/"))


COUNTRIES: Mapping[str, Country] = _read_table()
CARRIERS_BY_CODE: Mapping[str, Carrier] = {carrier.code: carrier for carrier in CARRIERS}
