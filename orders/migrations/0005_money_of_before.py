from django.db import migrations
from django.db.models import F, OuterRef, Subquery


def say_what_came(apps, _schema_editor):
    """Until now what was asked for is what came, and every refund was for something that was not delivered."""
    payment, refund, purchase, order = (
        apps.get_model("orders", name) for name in ("Payment", "Refund", "Purchase", "Order")
    )
    payment.objects.filter(captured_at__isnull=False).update(
        captured_amount=F("amount"), captured_currency=F("currency"), created_at=F("captured_at")
    )
    order_of = purchase.objects.filter(pk=OuterRef("purchase_id")).values("order_line__order_id")
    refund.objects.filter(order__isnull=True).update(order_id=Subquery(order_of))


class Migration(migrations.Migration):

    dependencies = [("orders", "0004_money")]

    operations = [migrations.RunPython(say_what_came, migrations.RunPython.noop)]
