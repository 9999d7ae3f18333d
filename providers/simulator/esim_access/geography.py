"""Where the simulated packages work: countries with their networks, and the regions sold as one.

Names are of real countries and networks so that screens look like work; what is offered is invented.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SINGLE, REGIONAL, GLOBAL = "single", "regional", "global"


@dataclass(frozen=True)
class Country:
    """A destination: ISO 3166-1 alpha-2 code, English name, (operator, network type) pairs."""

    code: str
    name: str
    operators: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """What a package covers. `code` is its `locationCode`: `ES`, or for several countries `NA-3`."""

    code: str
    name: str
    kind: str
    covers: tuple[str, ...]


_COUNTRIES = """
ES|Spain|Vodafone 4G, Orange 5G
JP|Japan|KDDI 5G, SoftBank 4G
US|United States|T-Mobile 5G, Verizon 5G
TH|Thailand|AIS 5G, TrueMove H 5G
GE|Georgia|Geocell 4G, Magticom 4G
VN|Vietnam|Viettel 4G, Vinaphone 5G
AU|Australia|Optus 5G
SG|Singapore|Singtel 5G, StarHub 5G
GB|United Kingdom|EE 5G, O2 4G
FR|France|Orange 5G, Bouygues 5G
IT|Italy|TIM 5G, WindTre 4G
DE|Germany|Telekom 5G, O2 4G
CN|China mainland|China Mobile 5G, China Unicom 5G
HK|Hong Kong (China)|CSL 5G, 3 4G
MO|Macao (China)|CTM 5G
TW|Taiwan (China)|Chunghwa Telecom 5G
KR|South Korea|SK Telecom 5G, KT 4G
MY|Malaysia|Maxis 4G, CelcomDigi 5G
ID|Indonesia|Telkomsel 4G, XL 4G
PH|Philippines|Globe 4G, Smart 4G
KH|Cambodia|Smart 4G
LA|Laos|Unitel 4G
IN|India|Airtel 5G
LK|Sri Lanka|Dialog 4G
PK|Pakistan|Jazz 4G
NP|Nepal|Ncell 4G
MN|Mongolia|Unitel 4G
KZ|Kazakhstan|Beeline 4G
UZ|Uzbekistan|Ucell 4G
NZ|New Zealand|Spark 5G
FJ|Fiji|Vodafone 4G
CA|Canada|Rogers 5G, Bell 4G
MX|Mexico|Telcel 4G, AT&T 4G
BR|Brazil|Vivo 5G, TIM 4G
AR|Argentina|Claro 4G
CL|Chile|Entel 4G
PE|Peru|Claro 4G
CO|Colombia|Tigo 4G
CR|Costa Rica|Kolbi 4G
PA|Panama|Tigo 4G
DO|Dominican Republic|Altice 4G
IE|Ireland|Three 5G
PT|Portugal|MEO 5G
AT|Austria|Drei 5G, A1 4G
CH|Switzerland|Sunrise 5G
NL|Netherlands|KPN 5G
BE|Belgium|Proximus 4G
LU|Luxembourg|POST 4G
DK|Denmark|TDC 5G
SE|Sweden|Telia 5G
NO|Norway|Telenor 4G
FI|Finland|Elisa 5G
IS|Iceland|Nova 4G
PL|Poland|Play 5G
CZ|Czech Republic|O2 5G
SK|Slovakia|Orange 4G
HU|Hungary|Yettel 4G
GR|Greece|Cosmote 5G
HR|Croatia|A1 4G
SI|Slovenia|A1 4G
RO|Romania|Orange 4G
BG|Bulgaria|Vivacom 4G
EE|Estonia|Elisa 4G
LV|Latvia|LMT 4G
LT|Lithuania|Bite 4G
MT|Malta|Epic 4G
CY|Cyprus|Cyta 4G
TR|Türkiye|Turkcell 4G, Vodafone 4G
UA|Ukraine|Kyivstar 4G
RS|Serbia|Yettel 4G
AL|Albania|Vodafone 4G
AE|United Arab Emirates|du 5G
SA|Saudi Arabia|Mobily 5G
QA|Qatar|Ooredoo 5G
KW|Kuwait|Zain 5G
BH|Bahrain|Zain 5G
OM|Oman|Omantel 4G
JO|Jordan|Zain 4G
IL|Israel|Partner 5G
EG|Egypt|Orange 4G
MA|Morocco|inwi 4G
TN|Tunisia|Ooredoo 4G
KE|Kenya|Safaricom 4G
TZ|Tanzania|Vodacom 4G
NG|Nigeria|MTN 4G
GH|Ghana|MTN 4G
ZA|South Africa|Vodacom 4G, MTN 4G
MU|Mauritius|Emtel 4G
"""

_REGIONS: Sequence[tuple[str, str, str]] = (
    ("AS", "Asia", "JP KR HK MO TW TH VN SG MY ID PH KH"),
    ("NA", "North America", "US CA MX"),
    ("EU", "Europe", "GB FR ES IT DE IE PT AT CH NL BE LU DK SE NO FI IS PL CZ SK HU GR HR SI RO BG EE LV LT MT CY"),
    ("SGMYTH", "Singapore & Malaysia & Thailand", "SG MY TH"),
    ("CNHM", "China & Hong Kong & Macao", "CN HK MO"),
    ("JPKR", "Japan & South Korea", "JP KR"),
    ("AUNZ", "Australia & New Zealand", "AU NZ"),
    ("SA", "South America", "BR AR CL PE CO"),
    ("CA", "Caribbean & Central America", "CR PA DO"),
    ("ME", "Middle East", "AE SA QA KW BH OM JO IL EG TR"),
    ("GCC", "Gulf Region", "AE SA QA KW BH OM"),
    ("AF", "Africa", "EG MA TN KE TZ NG GH ZA MU"),
    ("CAS", "Central Asia", "KZ UZ GE MN"),
    ("BK", "Balkans", "GR HR SI RO BG RS AL"),
)


def _read_countries() -> dict[str, Country]:
    countries: dict[str, Country] = {}
    for line in _COUNTRIES.strip().splitlines():
        code, name, operators = line.split("|")
        pairs = tuple((text.rsplit(" ", 1)[0], text.rsplit(" ", 1)[1]) for text in operators.split(", "))
        countries[code] = Country(code, name, pairs)
    return countries


COUNTRIES: Mapping[str, Country] = _read_countries()


def _list_places() -> list[Place]:
    """Single countries with regions and the world mixed in, so that a small catalogue has all kinds."""
    singles = [Place(country.code, country.name, SINGLE, (country.code,)) for country in COUNTRIES.values()]
    several = [
        Place(f"{letters}-{len(codes.split())}", name, REGIONAL, tuple(codes.split()))
        for letters, name, codes in _REGIONS
    ]
    world = tuple(COUNTRIES)
    several.insert(1, Place(f"GL-{len(world)}", "Global", GLOBAL, world))
    several.insert(4, Place("GL-30", "Global 30 countries", GLOBAL, world[:30]))
    places: list[Place] = []
    while singles or several:
        places += singles[:5] + several[:1]
        del singles[:5], several[:1]
    return places


PLACES: Sequence[Place] = tuple(_list_places())
