"""The catalogue's version: which answers about it are still true.

Every writer of plans, prices and publication calls ``bump_version`` in its own transaction, under ``lock_prices``. It
is a word by chance, not a number: a database that comes back from its backup must not count on to what apps have seen.
Packages that are offered for one line only, and written while somebody looks at it, are in no answer and bump nothing.
"""

import uuid

from django.db import connection
from django.utils import timezone

from catalog.models import CatalogueVersion

_ONLY = 1
#: By hand, for it is all that the database is asked where an app's answer still holds. A row for each paused account,
#: one without any where there is none.
_READ = f"""
SELECT
    (SELECT word FROM catalog_catalogueversion WHERE id = {_ONLY}),
    (SELECT MAX(seen_at) FROM providers_providerregion WHERE is_multi),
    (SELECT COUNT(*) FROM providers_providerregion WHERE is_multi),
    account.id
FROM (SELECT 1 AS one) AS always LEFT JOIN providers_provideraccount AS account ON account.is_paused
ORDER BY account.id
"""  # noqa: S608  (the number is the constant above)


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
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        rows = cursor.fetchall()
    word, told, areas, _none_or_paused = rows[0]
    return f"{word}/{told}/{areas}/{','.join(str(row[-1]) for row in rows)}" if word else ""
