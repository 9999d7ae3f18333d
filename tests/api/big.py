"""A large catalogue on PostgreSQL, made by the database itself in seconds."""

from django.db import connection
from django.utils import timezone

from catalog.models import Plan
from providers.regions import record_regions
from providers.types import Region
from tests.catalog.making import GB, make_account, make_plan

#: Two thirds of the plans cover one of 50 countries, the others twelve of them in a row. Prices, days, data and names
#: each have few values, so that every order has long ties.
_MANY = """
INSERT INTO catalog_plan ({columns})
SELECT {values} FROM catalog_plan first, generate_series(1, %s) AS number WHERE first.id = %s
"""
_COVERAGE = """
INSERT INTO catalog_plancoverage (plan_id, country, kind, networks)
SELECT plan.id, chr((65 + (plan.id + step) %% 50 / 26)::int) || chr((65 + (plan.id + step) %% 50 %% 26)::int),
       'unspecified', '[{{"name": "Net", "types": ["4G"]}}]'
FROM catalog_plan plan, generate_series(0, 11) AS step
WHERE plan.id > %s AND (plan.id %% 3 = 0 OR step = 0)
"""


def fill(number: int) -> None:
    """Put so many plans on sale, a few of them with nothing known."""
    account = make_account()
    areas = [
        Region(code=f"AREA-{at}", name=f"Area {at}", is_multi=True, members=("AA", "AB", "AC")[: 1 + at % 3])
        for at in range(20)
    ]
    record_regions(account=account, regions=areas)
    first = make_plan(account, covers=(), currency="USD")
    own = {
        "plan_ref": "'BIG' || number",
        "name": "'Plan ' || number %% 500",
        "retail_price": "1 + number %% 97 * 0.25",
        "validity_days": "CASE WHEN number %% 20 = 0 THEN NULL ELSE 1 + number %% 30 END",
        "days_choice_max": "CASE WHEN number %% 20 = 0 AND number %% 40 = 0 THEN 30 END",
        "data_bytes": f"CASE WHEN number %% 10 = 0 THEN NULL ELSE (1 + number %% 20) * {GB}::bigint END",
        "data_unlimited": "number %% 20 = 0",
        "changed_at": f"'{timezone.now().isoformat()}'::timestamptz",
    }
    columns = [str(field.column) for field in Plan._meta.concrete_fields if not field.primary_key]
    values = [own.get(column, f"first.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(_MANY.format(columns=", ".join(columns), values=", ".join(values)), [number, first.pk])
        cursor.execute(_COVERAGE.format(), [first.pk])
        cursor.execute("ANALYZE catalog_plan, catalog_plancoverage")
