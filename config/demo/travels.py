"""What travellers do with their lines, day by day, so that every stamp of the providers is what it would have been."""

from config.demo.provider import DemoProvider
from config.demo.story import Fate
from esims.models import Esim
from providers.types import DataPeriod

KB = 1024
MB = 1024 * KB
GB = 1024 * MB
_FIRST_STEPS = {
    Fate.DOWNLOADS: "download",
    Fate.IS_REVOKED: "download",
    Fate.INSTALLS: "install",
    Fate.IS_SIMULATED: "connect",
}


def live_a_day(provider: DemoProvider, esim: Esim, fate: Fate, *, days: int, day: int, number: int) -> None:
    """One day of a traveller, ``day`` days after buying a plan of ``days``; ``number`` tells companions apart."""
    if day == 1 and fate in _FIRST_STEPS:
        provider.happen(_FIRST_STEPS[fate], esim)
    if 1 <= day <= days and (used := _day_of_use(esim, fate, day=day, number=number)):
        provider.use(esim, used)


def _day_of_use(esim: Esim, fate: Fate, *, day: int, number: int) -> int:
    """Bytes that are used on a day: a part of what the plan gives, never the same two days running."""
    plan = esim.plan
    cap = plan.data_bytes or GB
    is_daily = plan.data_period == DataPeriod.DAY or plan.data_unlimited
    usual = cap * 2 // 3 if is_daily else cap // 9
    travels = usual * (3 + (2 * day + number) % 4) // 6
    return {
        Fate.TRAVELS: travels,
        Fate.IS_WRITTEN_TO: travels,
        Fate.STREAMS: usual * (2 + day % 5) // 4,
        Fate.IS_SUSPENDED: usual if day < 3 else 0,
        Fate.IS_BLOCKED: usual if day < 4 else 0,
        Fate.USES_UP: cap // 4 + MB if day < 5 else 0,
        Fate.RUNS_OUT: cap // 2 if day == 1 else 0,
    }.get(fate, 0)
