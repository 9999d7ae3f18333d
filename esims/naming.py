"""What a customer calls a line of theirs."""

from django.db import transaction

from esims.events import EventKind, make_event
from esims.models import Esim


def rename_line(*, esim: Esim, label: str, by: str) -> None:
    """Give the line the name that its customer wants; "" takes it away. The timeline says that, and no name: it is the
    customer's, and goes with them.
    """
    words = " ".join(label.split())
    with transaction.atomic():
        held = Esim.objects.select_for_update(of=("self",)).get(pk=esim.pk)
        if held.nickname == words:
            return
        held.nickname = words
        held.save(update_fields=["nickname"])
        make_event(held, EventKind.RENAMED, by=by).save()
