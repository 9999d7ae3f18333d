"""The list of devices that comes with the program, as staff would import it; later ones come by ``import_devices``."""

import csv
import unicodedata
from pathlib import Path

from django.db import migrations
from django.utils import timezone

FILE = Path(__file__).parent.parent / "data" / "devices.csv"
BY = "system"


def squeeze(text):
    folded = unicodedata.normalize("NFKC", text).casefold().replace("+", "plus")
    return "".join(letter for letter in folded if letter.isalnum())


def split(text):
    return [name for part in text.split(";") if (name := " ".join(part.split()))]


def enter(apps, editor):
    """As catalog/devices.py worked it out when this was written."""
    model = apps.get_model("catalog", "DeviceModel")
    devices = []
    with FILE.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            maker, name = squeeze(row["maker"]), squeeze(row["model"])
            names, codes = split(row["other_names"]), split(row["codes"])
            found_by = [maker + name, name, *map(squeeze, names)]
            found_by += [squeeze(code) + ("*" if code.endswith("*") else "") for code in codes]
            devices.append(
                model(
                    maker=row["maker"],
                    name=row["model"],
                    aliases="\n".join(names),
                    codes="\n".join(codes),
                    ability=row["esim"],
                    none_in=row["none_in"],
                    note=row["note"],
                    note_ja=row["note_ja"],
                    source=row["source"],
                    checked_on=row["checked_on"],
                    identity=f"{maker}/{name}",
                    search_key=f"|{'|'.join(dict.fromkeys(filter(None, found_by)))}|",
                    changed_by=BY,
                    changed_at=timezone.now(),
                )
            )
    model.objects.using(editor.connection.alias).bulk_create(devices, batch_size=500, ignore_conflicts=True)


def take_away(apps, editor):
    """What staff entered or changed stays until the table goes."""
    apps.get_model("catalog", "DeviceModel").objects.using(editor.connection.alias).filter(changed_by=BY).delete()


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_device_list")]

    operations = [migrations.RunPython(enter, take_away)]
