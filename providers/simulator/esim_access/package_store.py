"""Packages in the state: what is on sale now, how many are in stock, and the changes that control calls make."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.simulator.esim_access.catalogue import BASE, NO_TOPUP, TOPUP, PackageRow, generate_catalogue, make_row
from providers.simulator.esim_access.wire import refuse
from providers.simulator.messages import Refusal
from providers.simulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS access_packages (
    code TEXT PRIMARY KEY, slug TEXT NOT NULL, type TEXT NOT NULL, kind TEXT NOT NULL, location_code TEXT NOT NULL,
    covers TEXT NOT NULL, data_type INTEGER NOT NULL, issuer INTEGER NOT NULL, position INTEGER NOT NULL,
    on_sale INTEGER NOT NULL DEFAULT 1, stock INTEGER, body TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS access_packages_slug ON access_packages (type, slug);
CREATE INDEX IF NOT EXISTS access_packages_position ON access_packages (type, on_sale, position);
"""
_SETTING = "access.catalogue"
_GROUPS = {"!RG": "regional", "!GL": "global"}


@dataclass(frozen=True)
class StoredPackage:
    """A package object and what the provider knows beside it; `stock` None: as many as anybody wants."""

    code: str
    type: str
    on_sale: bool
    stock: int | None
    issuer: int
    package: dict[str, Any]

    @property
    def price(self) -> int:
        """List price, USD times 10,000; of one day for a daily package."""
        return int(self.package["price"])

    @property
    def daily(self) -> bool:
        """Whether the buyer says for how many days."""
        return self.package["dataType"] in (2, 3, 4)


class PackageStore:
    """The catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.add_schema(SCHEMA)

    def open_catalogue(self, *, count: int, seed: int) -> None:
        """Generate the catalogue of a new state; an existing state keeps its own."""
        if self._store.read_setting(_SETTING, None) is None:
            self.generate(count=count, seed=seed)

    def restore_first(self, *, count: int, seed: int) -> None:
        """Back to a generated catalogue; nothing is written when it is there untouched."""
        if self._store.read_setting(_SETTING, {}) != {"count": count, "seed": seed, "changed": False}:
            self.generate(count=count, seed=seed)

    def generate(self, *, count: int, seed: int) -> None:
        """Replace the whole catalogue by a generated one."""
        with self._store.write() as db:
            db.execute("DELETE FROM access_packages")
            self._insert(db, generate_catalogue(count, seed), position=1)
            self._store.write_setting(_SETTING, {"count": count, "seed": seed, "changed": False})

    def list_base(self, *, location: str | None, code: str | None, data_type: int | None) -> list[str]:
        """Bodies of the base packages on sale; `location` is a country, `!RG`, `!GL` or a `locationCode`."""
        sql = "SELECT body FROM access_packages WHERE type = ? AND on_sale = 1"
        values: list[Any] = [BASE]
        if location in _GROUPS:
            sql, values = f"{sql} AND kind = ?", [*values, _GROUPS[location]]
        elif location is not None:
            # A guess: a country finds every package that works there, a region's code that region.
            sql, values = f"{sql} AND (location_code = ? OR covers LIKE ?)", [*values, location, f"%,{location},%"]
        if code is not None:
            sql, values = f"{sql} AND (code = ? OR slug = ?)", [*values, code, code]
        if data_type is not None:
            sql, values = f"{sql} AND data_type = ?", [*values, data_type]
        return self._read_bodies(sql, values)

    def list_topups(self, *, base: StoredPackage | None, location: str | None) -> list[str]:
        """Bodies of the top-ups on sale: all, or those that fit a base package."""
        sql = "SELECT body FROM access_packages WHERE type = ? AND on_sale = 1"
        values: list[Any] = [TOPUP]
        if base is not None:
            if base.package["supportTopUpType"] == NO_TOPUP:
                return []
            if base.daily:
                sql, values = f"{sql} AND code = ?", [*values, f"TOPUP_{base.code}"]
            else:
                sql = f"{sql} AND location_code = ? AND data_type = ?"
                values = [*values, base.package["locationCode"], base.package["dataType"]]
        if location is not None:
            sql, values = f"{sql} AND (location_code = ? OR covers LIKE ?)", [*values, location, f"%,{location},%"]
        return self._read_bodies(sql, values)

    def find_base(self, name: str) -> StoredPackage:
        """A base package by code or slug, on sale or not. Raises Refusal 310241."""
        found = self._find("type = ? AND (code = ? OR slug = ?)", BASE, name, name)
        if found is None:
            raise Refusal(200, "310241", f"base data plan code:[{name}] doesn`t exist.")
        return found

    def find_topup(self, code: str) -> StoredPackage:
        """A top-up package by its code. Raises Refusal 310241, or 310243 when it is not sold any more."""
        found = self._find("type = ? AND code = ?", TOPUP, code)
        if found is None:
            raise refuse("310241", code)
        if not found.on_sale:
            raise refuse("310243", code)
        return found

    def find_any(self, code: str) -> StoredPackage:
        """A package of any type, for control calls. Raises Refusal 404."""
        found = self._find("code = ?", code)
        if found is None:
            raise Refusal(404, "NOT_FOUND", f"There is no package {code}")
        return found

    def take_stock(self, package: StoredPackage, count: int) -> None:
        """Take so many. Raises Refusal 200011."""
        if package.stock is None:
            return
        with self._store.write() as db:
            left = db.execute(
                "UPDATE access_packages SET stock = stock - ? WHERE code = ? AND stock >= ?",
                (count, package.code, count),
            )
            if left.rowcount == 0:
                raise refuse("200011")

    def change_package(self, code: str, fields: Mapping[str, Any]) -> None:
        """Change fields of a package object, by their wire names; the code stays."""
        stored = self.find_any(code)
        if fields.get("packageCode", code) != code:
            raise Refusal(400, "BAD_PACKAGE", "A package keeps its code")
        row = make_row({**stored.package, **fields}, type=stored.type)
        with self._store.write() as db:
            db.execute(
                "UPDATE access_packages SET slug = ?, kind = ?, location_code = ?, covers = ?, data_type = ?, body = ?"
                " WHERE code = ?",
                (row.slug, row.kind, row.location_code, _write_covers(row), row.data_type, row.body, code),
            )
            self._note_change()

    def set_values(self, code: str, **values: int | None) -> None:
        """Set `on_sale` or `stock`."""
        self.find_any(code)
        with self._store.write() as db:
            for name, value in values.items():
                db.execute(f"UPDATE access_packages SET {name} = ? WHERE code = ?", (value, code))  # noqa: S608
            self._note_change()

    def add_package(self, package: dict[str, Any], *, type: str) -> None:  # noqa: A002 - the wire's word
        """Add a whole package object behind the others. Raises Refusal 409 when its code or slug is taken."""
        with self._store.write() as db:
            last = db.execute("SELECT COALESCE(MAX(position), 0) AS n FROM access_packages").fetchone()["n"]
            try:
                self._insert(db, [make_row(package, type=type)], position=last + 1)
            except sqlite3.IntegrityError as error:
                raise Refusal(409, "PACKAGE_EXISTS", f"There is a package {package['packageCode']}") from error
            self._note_change()

    def list_codes(self, type: str) -> list[str]:  # noqa: A002 - the wire's word
        """Codes on sale, in their lasting order."""
        sql = "SELECT code FROM access_packages WHERE type = ? AND on_sale = 1 ORDER BY position"
        with self._store.read() as db:
            return [row["code"] for row in db.execute(sql, (type,)).fetchall()]

    def list_location_codes(self) -> set[str]:
        """Every `locationCode` on sale."""
        with self._store.read() as db:
            rows = db.execute("SELECT DISTINCT location_code FROM access_packages WHERE on_sale = 1").fetchall()
        return {row["location_code"] for row in rows}

    def _find(self, where: str, *values: Any) -> StoredPackage | None:
        with self._store.read() as db:
            row = db.execute(f"SELECT * FROM access_packages WHERE {where}", values).fetchone()  # noqa: S608
        if row is None:
            return None
        return StoredPackage(
            code=row["code"],
            type=row["type"],
            on_sale=bool(row["on_sale"]),
            stock=row["stock"],
            issuer=row["issuer"],
            package=json.loads(row["body"]),
        )

    def _read_bodies(self, sql: str, values: list[Any]) -> list[str]:
        with self._store.read() as db:
            return [row["body"] for row in db.execute(f"{sql} ORDER BY position", values).fetchall()]

    def _insert(self, db: sqlite3.Connection, rows: Iterable[PackageRow], *, position: int) -> None:
        db.executemany(
            "INSERT INTO access_packages"
            " (code, slug, type, kind, location_code, covers, data_type, issuer, position, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    row.code,
                    row.slug,
                    row.type,
                    row.kind,
                    row.location_code,
                    _write_covers(row),
                    row.data_type,
                    row.issuer,
                    position + index,
                    row.body,
                )
                for index, row in enumerate(rows)
            ),
        )

    def _note_change(self) -> None:
        self._store.write_setting(_SETTING, {**self._store.read_setting(_SETTING, {}), "changed": True})


def _write_covers(row: PackageRow) -> str:
    return f",{','.join(row.covers)},"
