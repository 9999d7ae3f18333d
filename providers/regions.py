"""The areas that a provider sells plans for, kept as it told them last."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from providers.models import ProviderAccount, ProviderRegion
from providers.types import Region


def record_regions(*, account: ProviderAccount, regions: Sequence[Region]) -> int:
    """Replace what is kept by what was told; returns how many there are. Of one told twice the first counts."""
    told: dict[str, Region] = {}
    for region in regions:
        told.setdefault(region.code[:40], region)
    now = timezone.now()
    rows = [
        ProviderRegion(
            account=account,
            code=code,
            name=region.name[:200],
            is_multi=region.is_multi,
            members=list(region.members),
            seen_at=now,
        )
        for code, region in told.items()
    ]
    with transaction.atomic():
        ProviderRegion.objects.filter(account=account).exclude(code__in=list(told)).delete()
        ProviderRegion.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["account", "code"],
            update_fields=["name", "is_multi", "members", "seen_at"],
        )
    return len(rows)
