from django.db import migrations

#: As the earlier release reads it (orders/notice_content.py).
ERASED = (
    b'{"text":"The content of this message was erased.","html":"<p>The content of this message was erased.</p>",'
    b'"paragraphs":[],"sms":"","lines":[],"codes":[],"secrets":[]}'
)


def say_that_it_was_erased(apps, _schema_editor):
    """The tables of before hold no notification without a content."""
    apps.get_model("orders", "Notification").objects.filter(content__isnull=True).update(content=ERASED)


class Migration(migrations.Migration):

    dependencies = [("orders", "0015_erased_contents")]

    operations = [migrations.RunPython(migrations.RunPython.noop, say_that_it_was_erased)]
