# What warming opened is closed again, by each library's own call, and only where the library opens
# anew by itself when it is used next.

import sys


def django(_):
    vars(sys.modules["django.db"])["connections"].close_all()
    caches = vars(sys.modules.get("django.core.cache", sys)).get("caches")
    if hasattr(caches, "close_all"):
        caches.close_all()


def sqlalchemy(engine):
    database = engine.url.database or ""
    in_memory = engine.dialect.name == "sqlite" and (
        database in ("", ":memory:") or "mode=memory" in str(engine.url)
    )
    # A database in memory ends with its connection; an asynchronous driver needs its loop.
    if not in_memory and not getattr(engine.dialect, "is_async", False):
        engine.dispose()


def psycopg2(pool):
    for _ in range(len(pool._pool)):
        pool.putconn(pool.getconn(), close=True)


# Class of the objects -> what closes one. Pools that cannot be used again once they are closed
# (psycopg_pool, PyMongo's client) are not here: the check before the fork names them.
CLOSERS = {
    "sqlalchemy.engine.base.Engine": sqlalchemy,
    "redis.connection.ConnectionPool": lambda pool: pool.disconnect(),
    "psycopg2.pool.AbstractConnectionPool": psycopg2,
    "urllib3.poolmanager.PoolManager": lambda manager: manager.clear(),
    "httpcore._sync.connection_pool.ConnectionPool": lambda pool: pool.close(),
    "pymemcache.client.base.Client": lambda client: client.close(),
}


def close():
    """Answers a line `W` for each call that failed."""
    lines = []

    def attempt(name, closer, thing):
        try:
            closer(thing)
        except Exception as error:
            lines.append("W\tclosing %s: %s: %s" % (name, type(error).__name__, error))

    # First what holds connections in a way of its own.
    settings = vars(sys.modules.get("django.conf", sys)).get("settings")
    if "django.db" in sys.modules and getattr(settings, "configured", False):
        attempt("Django's connections", django, None)
    for name, things in of_classes(CLOSERS).items():
        for thing in things:
            attempt(name, CLOSERS[name], thing)
    return report(lines)
