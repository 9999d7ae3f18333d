"""Notifications on phones: one row for all phones of a customer, sent as an e-mail is, never twice by itself."""

from dataclasses import dataclass

from django.conf import settings

from customers.models import Device
from customers.push import (
    DeviceGone,
    PushMessage,
    PushRefused,
    PushService,
    PushUncertain,
    find_devices,
)
from orders.models import Notification

#: Stored in the row and retold by pages (config/retelling.py).
NO_PHONE = "No phone of the customer is signed in."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came of it: how many phones have it, and the first error of each kind."""

    sent: int = 0
    uncertain: str = ""
    refused: str = ""
    is_final: bool = True


def push(row: Notification, service: PushService) -> Pushed:
    """Send to every phone that is signed in; those that are gone are forgotten."""
    sent, uncertain, refused, is_final = 0, "", "", True
    message = _compose(row)
    for device in find_devices(row.customer) if row.customer is not None else []:
        try:
            service.send(token=device.token, message=message)
        except DeviceGone:
            Device.objects.filter(pk=device.pk, token=device.token).delete()
        except PushRefused as error:
            refused = refused or error.message
            is_final = is_final and error.is_final
        except PushUncertain as error:
            uncertain = uncertain or error.message
        else:
            sent += 1
    return Pushed(sent=sent, uncertain=uncertain, refused=refused, is_final=is_final)


def _compose(row: Notification) -> PushMessage:
    data = {"kind": row.kind}
    if row.order is not None:
        data["order_number"] = row.order.number
    if row.esim_id is not None:
        data["esim_id"] = str(row.esim_id)
    return PushMessage(title=settings.BRAND_NAME, body=row.subject, data=data)
