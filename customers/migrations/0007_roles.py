"""The groups of the roles. Their permissions are laid out after ``migrate``, when all exist (customers/roles.py)."""

from django.db import migrations

NAMES = ("Support", "Sales", "Finance", "Catalogue", "Administrator", "Auditor")
#: A group of this name that somebody made by hand keeps its members and rights under another one.
BY_HAND = "{} (by hand)"
#: What the groups are called while an earlier release runs: nobody loses what they may do.
PUT_ASIDE = "{} (role)"


def make_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name in NAMES:
        Group.objects.filter(name=name).update(name=BY_HAND.format(name))
        if not Group.objects.filter(name=PUT_ASIDE.format(name)).update(name=name):
            Group.objects.create(name=name)


def put_groups_aside(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name in NAMES:
        Group.objects.filter(name=name).update(name=PUT_ASIDE.format(name))
        Group.objects.filter(name=BY_HAND.format(name)).update(name=name)


class Migration(migrations.Migration):
    dependencies = [("customers", "0006_staff"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_groups, put_groups_aside)]
