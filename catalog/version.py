"""The catalogue's version: which answers about it are still true.

Every writer of plans, prices and publication calls ``bump_version`` in its own transaction, under ``lock_prices``. It
is a word by chance, not a number: a database that comes back from its backup must not count on to what apps have seen.
Packages that are offered for one line only, and written while somebody looks at it, are in no answer and bump nothing.
"""

import uuid

from django.db.models import Count, Max, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from catalog.models import CatalogueVersion
from providers.models import ProviderAccount, ProviderRegion

_ONLY = 1


def bump_version() -> None:
    """What was answered about the catalogue is old when the transaction ends. The caller holds ``lock_prices``."""
    now = CatalogueVersion(pk=_ONLY, word=uuid.uuid4().hex, changed_at=timezone.now())
    CatalogueVersion.objects.bulk_create(
        [now], update_conflicts=True, unique_fields=["id"], update_fields=["word", "changed_at"]
    )


def read_version() -> str:
    """All that answers about the catalogue depend on, in one query; "" before the first change, when nothing is kept.

    Beside the catalogue's own word: which accounts are paused, and the areas that the providers told. Those stand one
    floor below and know nothing of this. Who answers reads this first and the plans after: an answer may then be newer
    than its version, never older.
    """
    regions = ProviderRegion.objects.order_by().values("is_multi").filter(is_multi=True)
    rows = list(
        ProviderAccount.objects.order_by("pk")
        .annotate(
            word=Subquery(CatalogueVersion.objects.filter(pk=_ONLY).values("word")),
            told=Subquery(regions.annotate(last=Max("seen_at")).values("last")),
            areas=Coalesce(Subquery(regions.annotate(number=Count("pk")).values("number")), 0),
        )
        .values_list("word", "told", "areas", "pk", "is_paused")
    )
    if not rows or not rows[0][0]:
        return ""
    word, told, areas = rows[0][:3]
    paused = ",".join(str(pk) for *_rest, pk, is_paused in rows if is_paused)
    return f"{word}/{told and told.isoformat()}/{areas}/{paused}"
