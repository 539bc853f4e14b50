"""Statements of the hot path: SQLAlchemy Core compiled once per dialect, run on the driver's own cursor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Boolean, Connection
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import Select

Values = Mapping[str, Any]
# A query's column names, and how to read those that SQLite keeps as text or number.
Columns = tuple[list[str], list[tuple[str, Callable[[Any], Any]]]]


class Encoded(str):
    """A JSON value that is text already."""


class Statement:
    """One statement with named binds. Executing it costs a driver call, no more."""

    def __init__(self, statement: UpdateBase | Select[Any], *, names: Sequence[str] | None = None) -> None:
        """`names` are the columns of an insert that are given; other statements carry their own bindparams."""
        self._statement = statement
        self._names = list(names) if names is not None else None
        self._columns: Columns | None = None
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any], frozenset[str]]] = {}

    def _for(self, connection: Connection) -> tuple[str, list[str] | None, dict[str, Any], frozenset[str]]:
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
            binds = compiled.binds
            known = {key: bind.value for key, bind in binds.items() if not bind.required}
            for column in getattr(compiled, "insert_prefetch", ()):  # defaults that SQLAlchemy would fill in
                known[column.key] = column.default.arg if column.default.is_scalar else column.default.arg(None)
            texts = frozenset(key for key, bind in binds.items() if isinstance(bind.type, JSON))
            if any(isinstance(bind.type, Boolean) for bind in binds.values()) and name == "sqlite":
                known = {key: int(value) if isinstance(value, bool) else value for key, value in known.items()}
            order = list(compiled.positiontup) if compiled.positiontup is not None else None
            found = self._compiled[name] = (str(compiled), order, known, texts)
        return found

    def execute(self, connection: Connection, values: Values) -> Any:
        """Run it once; returns the driver's cursor."""
        sql, order, known, texts = self._for(connection)
        cursor = driver_of(connection).cursor()
        cursor.execute(sql, _bound(values, order, known, texts))
        return cursor

    def rows(self, connection: Connection, values: Values) -> list[dict[str, Any]]:
        """Run a query; its rows by column name."""
        return list(self.each(connection, values))

    def each(self, connection: Connection, values: Values) -> Iterator[dict[str, Any]]:
        """The same, one row after the other, for who may not want all of them."""
        names, kept = self._columns or self._read_columns()
        if connection.dialect.name != "sqlite":  # other drivers know these types themselves
            kept = []
        for found in self.execute(connection, values):
            row = dict(zip(names, found, strict=True))
            for name, read in kept:
                if row[name] is not None:
                    row[name] = read(row[name])
            yield row

    def _read_columns(self) -> Columns:
        assert isinstance(self._statement, Select)
        columns = [(str(column.key), column.type) for column in self._statement.selected_columns]
        kept = [(name, kind) for name, kind in columns if isinstance(kind, (JSON, Boolean))]
        self._columns = (
            [name for name, _ in columns],
            [(name, json.loads if isinstance(kind, JSON) else bool) for name, kind in kept],
        )
        return self._columns

    def execute_all(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Run it for every row."""
        sql, order, known, texts = self._for(connection)
        driver_of(connection).cursor().executemany(sql, [_bound(row, order, known, texts) for row in rows])


def driver_of(connection: Connection) -> Any:
    """The driver's own connection under one of SQLAlchemy's."""
    return connection.connection.dbapi_connection


def _bound(values: Values, order: list[str] | None, known: dict[str, Any], texts: frozenset[str]) -> Any:
    given = {**known, **values}
    for name in texts:
        value = given[name]
        if not isinstance(value, Encoded):
            given[name] = None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return given if order is None else [given[name] for name in order]
