"""Search terms of the customers who are there already; later ones get theirs from the verbs that write them."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from customers.terms import terms_of

_AT_ONCE = 2000


def write_terms(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    customers = apps.get_model("customers", "Customer").objects.filter(erased_at=None).order_by("pk")
    term_model = apps.get_model("customers", "CustomerTerm")
    last = 0
    while rows := list(customers.filter(pk__gt=last).values("pk", "name", "company", "email", "phone")[:_AT_ONCE]):
        last = rows[-1]["pk"]
        terms = [(row.pop("pk"), terms_of(**row)) for row in rows]
        made = [term_model(customer_id=customer, term=term) for customer, found in terms for term in sorted(found)]
        term_model.objects.bulk_create(made, ignore_conflicts=True, batch_size=_AT_ONCE)


class Migration(migrations.Migration):

    dependencies = [("customers", "0004_customer_terms")]

    operations = [migrations.RunPython(write_terms, migrations.RunPython.noop)]
