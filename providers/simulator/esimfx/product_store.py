"""Products in the state: what is on sale now, and the changes that control calls make to it."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.simulator.esimfx.catalogue import ProductRow, generate_catalogue, make_row
from providers.simulator.esimfx.refusals import Declined
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS esimfx_products (
    id TEXT PRIMARY KEY, legacy_id TEXT NOT NULL UNIQUE, position INTEGER NOT NULL UNIQUE, region TEXT NOT NULL,
    profile TEXT NOT NULL, covers TEXT NOT NULL, on_sale INTEGER NOT NULL DEFAULT 1, body TEXT NOT NULL);
"""
_SETTING = "esimfx.catalogue"
_INSERT = (
    "INSERT INTO esimfx_products (id, legacy_id, position, region, profile, covers, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True)
class StoredProduct:
    """A product object of version 2 with what is kept beside it."""

    id: str
    legacy_id: str
    position: int
    region: str
    profile: str
    on_sale: bool
    product: Mapping[str, Any]


class ProductStore:
    """The catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def open_catalogue(self, *, count: int, seed: int) -> None:
        """Generate the catalogue of a new state; an existing state keeps its own."""
        if self._store.read_setting(_SETTING, None) is None:
            self.generate(count=count, seed=seed)

    def generate(self, *, count: int, seed: int) -> None:
        """Replace the whole catalogue by a generated one."""
        rows = generate_catalogue(count, seed)
        with self._store.write() as db:
            db.execute("DELETE FROM esimfx_products")
            _insert(db, rows, position=1)
            self._note(count=count, seed=seed, changed=False)

    def restore_first(self, *, count: int, seed: int) -> None:
        """Back to a generated catalogue; nothing is written when it is there untouched."""
        noted = self._store.read_setting(_SETTING, {})
        if noted != {"count": count, "seed": seed, "changed": False}:
            self.generate(count=count, seed=seed)

    def list_page(
        self, *, region: str | None, countries: Sequence[str], after: int, size: int
    ) -> tuple[list[StoredProduct], bool]:
        """The products behind a position, and whether more follow."""
        conditions, values = ["on_sale = 1", "position > ?"], [str(after)]
        if region is not None:
            conditions.append("region = ? COLLATE NOCASE")
            values.append(region)
        elif countries:
            conditions.append(f"({' OR '.join(['covers LIKE ?'] * len(countries))})")
            values += [f"%,{code},%" for code in countries]
        sql = f"SELECT * FROM esimfx_products WHERE {' AND '.join(conditions)} ORDER BY position LIMIT ?"  # noqa: S608
        with self._store.read() as db:
            rows = db.execute(sql, (*values, size + 1)).fetchall()
        return [_to_stored(row) for row in rows[:size]], len(rows) > size

    def list_alike(self, *, region: str, profile: str) -> list[StoredProduct]:
        """What is on sale in the same region on the same profile: the goods that top each other up."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT * FROM esimfx_products WHERE on_sale = 1 AND region = ? AND profile = ? ORDER BY position",
                (region, profile),
            ).fetchall()
        return [_to_stored(row) for row in rows]

    def find_product(self, product_id: str) -> StoredProduct:
        """A product by either of its ids, on sale or not. Raises Declined."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT * FROM esimfx_products WHERE id = ? OR legacy_id = ?", (product_id, product_id)
            ).fetchone()
        if row is None:
            raise Declined("PRODUCT_NOT_FOUND", f"There is no product {product_id}")
        return _to_stored(row)

    def list_ids(self) -> list[str]:
        """Ids of version 2 on sale, in their lasting order."""
        with self._store.read() as db:
            rows = db.execute("SELECT id FROM esimfx_products WHERE on_sale = 1 ORDER BY position").fetchall()
        return [row["id"] for row in rows]

    def count_on_sale(self) -> int:
        """How many products are on sale."""
        with self._store.read() as db:
            return int(db.execute("SELECT COUNT(*) AS n FROM esimfx_products WHERE on_sale = 1").fetchone()["n"])

    def change_product(self, product_id: str, fields: Mapping[str, Any]) -> None:
        """Change fields of a product object, by their wire names; both ids stay. Raises Declined, Refusal 400."""
        stored = self.find_product(product_id)
        row = make_row({**stored.product, **fields}, region=stored.region)
        if (row.id, row.legacy_id) != (stored.id, stored.legacy_id):
            raise Refusal(400, "BAD_PRODUCT", "A product keeps its ids")
        with self._store.write() as db:
            db.execute(
                "UPDATE esimfx_products SET profile = ?, covers = ?, body = ? WHERE id = ?",
                (row.profile, _write_covers(row), row.body, row.id),
            )
            self._note(changed=True)

    def put_on_sale(self, product_id: str, *, on_sale: bool) -> None:
        """Remove a product from the lists, or put it back where it was. Raises Declined."""
        stored = self.find_product(product_id)
        with self._store.write() as db:
            db.execute("UPDATE esimfx_products SET on_sale = ? WHERE id = ?", (int(on_sale), stored.id))
            self._note(changed=True)

    def add_product(self, product: Mapping[str, Any], *, region: str) -> None:
        """Add a whole product object behind the others. Raises Refusal 409 when an id is taken."""
        with self._store.write() as db:
            last = db.execute("SELECT COALESCE(MAX(position), 0) AS n FROM esimfx_products").fetchone()["n"]
            try:
                _insert(db, [make_row(product, region=region)], position=last + 1)
            except sqlite3.IntegrityError as error:
                raise Refusal(409, "PRODUCT_EXISTS", f"There is a product {product['id']}") from error
            self._note(changed=True)

    def _note(self, **values: Any) -> None:
        noted = self._store.read_setting(_SETTING, {})
        self._store.write_setting(_SETTING, {**noted, **values})


def write_page_key(product_id: str, position: int) -> dict[str, Any]:
    """The `last_evaluated_key` behind a product: an object that only makes sense as a whole."""
    return {"id": product_id, "cursor": {"position": position, "tag": _tag(product_id, position)}}


def read_page_key(key: Any) -> int:
    """The position of a key that we handed out; `{}` and `{"id": ""}` are the beginning. Raises Declined.

    Fields that are none of ours are left unread: a fault may have added them.
    """
    if key in ({}, {"id": ""}):
        return 0
    try:
        product_id, cursor = key["id"], key["cursor"]
        position = cursor["position"]
        if type(position) is int and cursor["tag"] == _tag(product_id, position):
            return position
    except (KeyError, TypeError):
        pass
    raise Declined("INVALID_PAGE_START", "page_start is {} or the last_evaluated_key of the page before")


def _tag(product_id: Any, position: Any) -> str:
    return hashlib.sha256(f"{product_id}|{position}".encode()).hexdigest()[:12]


def _insert(db: sqlite3.Connection, rows: Iterable[ProductRow], *, position: int) -> None:
    db.executemany(
        _INSERT,
        (
            (row.id, row.legacy_id, position + index, row.region, row.profile, _write_covers(row), row.body)
            for index, row in enumerate(rows)
        ),
    )


def _write_covers(row: ProductRow) -> str:
    return f",{','.join(row.covers)},"


def _to_stored(row: sqlite3.Row) -> StoredProduct:
    return StoredProduct(
        id=row["id"],
        legacy_id=row["legacy_id"],
        position=row["position"],
        region=row["region"],
        profile=row["profile"],
        on_sale=bool(row["on_sale"]),
        product=json.loads(row["body"]),
    )
