"""SQLite for several threads and processes under oslo.db.

Readers do not block (WAL), locks are waited for, and a transaction that writes takes the lock at its start: a deferred
one that reads, then writes, fails with "database is locked". And connections are kept: oslo.db opens one a transaction.
"""

from __future__ import annotations

import sqlite3
import types
from typing import Any

from oslo_db.sqlalchemy import enginefacade, engines
from sqlalchemy import event, pool
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

PRAGMAS = ("busy_timeout=60000", "journal_mode=WAL", "synchronous=OFF")
_factory = enginefacade._TransactionFactory
_session, _connection = _factory._create_session, _factory._create_connection


class Pool(pool.QueuePool):  # type: ignore[misc]
    def __init__(self, creator: Any, **settings: Any) -> None:
        super().__init__(creator, **{**settings, "pool_size": 20, "max_overflow": 200})


def _create_session(self: Any, mode: Any, bind: Any = None) -> Any:
    session = _session(self, mode, bind)
    session.info["oslo_writer"] = mode is enginefacade._WRITER
    return session


def _create_connection(self: Any, mode: Any) -> Any:
    connection = _connection(self, mode)
    connection.info["oslo_writer"] = mode is enginefacade._WRITER
    return connection


def _connected(dbapi: Any, _: Any) -> None:
    if isinstance(dbapi, sqlite3.Connection):
        for pragma in PRAGMAS:
            dbapi.execute(f"PRAGMA {pragma}").close()


def _begun(session: Any, transaction: Any, connection: Any) -> None:
    if session.info.get("oslo_writer") and connection.dialect.name == "sqlite" and transaction.parent is None:
        cursor = connection.connection.cursor()
        if connection.connection.dbapi_connection.in_transaction:
            cursor.execute("ROLLBACK")
        cursor.execute("BEGIN IMMEDIATE")
        cursor.close()


def _executed(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    if statement == "BEGIN" and connection.dialect.name == "sqlite" and connection.info.get("oslo_writer"):
        statement = "BEGIN IMMEDIATE"
    return statement, parameters


def _returned(_: Any, record: Any) -> None:
    """The pool's own rollback does not clear oslo.db's marks."""
    record.info.pop("in_transaction", None)
    record.info.pop("oslo_writer", None)


def tune() -> None:
    """For every engine of this process; before the first is made."""
    _factory._create_session, _factory._create_connection = _create_session, _create_connection
    kept = {"SingletonThreadPool": pool.SingletonThreadPool, "StaticPool": pool.StaticPool}
    engines.pool = types.SimpleNamespace(**kept, QueuePool=pool.QueuePool, NullPool=Pool)
    event.listen(Engine, "connect", _connected)
    event.listen(Session, "after_begin", _begun)
    event.listen(Engine, "before_cursor_execute", _executed, retval=True)
    event.listen(Pool, "checkin", _returned)
