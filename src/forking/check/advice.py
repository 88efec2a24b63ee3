# What happens to a thing that workers inherit, and what to do. docs/fork.md has the same by library.

POSTFORK = "make it in a function under uwsgidecorators.postfork"

KINDS = {
    "connection": "all workers would talk over the one connection: close it before the fork, or " + POSTFORK,
    "epoll": "all workers would wait on the one of the master: " + POSTFORK,
    "pipe": "what one process writes, any other may read: " + POSTFORK,
    "device": "it cannot be used in a worker: " + POSTFORK,
    "database": "its locks and its state are the master's: close it before the fork, or " + POSTFORK,
    "file": "all workers would share its position: open it to append, or " + POSTFORK,
    "thread": "workers do not have it: start it in a function under uwsgidecorators.postfork",
}

# What is to be done where a library has a way of its own.
LIBRARIES = {
    "psycopg_pool": "make the pool with open=False, and open it in a function under uwsgidecorators.postfork",
    "pymongo": "make the client in a function under uwsgidecorators.postfork",
    "newrelic": "nothing is sent by workers: let the first request of each start the agent",
    "apscheduler": "start the scheduler in a mule, or in one worker",
}

# Packages that make theirs anew in a child: they look at the process id, or register a fork hook,
# which must then be run. Each was tried (make fork-libraries).
BY_PROCESS_ID = {"thread": {"sentry_sdk", "elasticapm"}, "connection": {"redis"}, "epoll": set()}
BY_FORK_HOOK = {
    "thread": {"opentelemetry", "pymongo", "ddtrace"},
    "connection": {"pymongo", "ddtrace"},
    "epoll": {"ddtrace"},
}

# Packages with threads and connections in C, and what their threads are named.
IN_C = {
    "ddtrace": ("tokio-rt-worker", "NativeWriter"),
    "grpc": ("event_engine", "grpc_global_tim", "lifeguard", "default-executo", "resolver-executo"),
    "confluent_kafka": ("rdk:",),
    "MySQLdb": (),
}


def returns(name, kind, hooks):
    """Whether that package makes its own anew in a child; `hooks`: fork hooks are run."""
    import uwsgi

    hooks = hooks == "1" or "py-call-uwsgi-fork-hooks" in uwsgi.opt
    by_hook = BY_FORK_HOOK.get(kind, ()) if hooks else ()
    return name in BY_PROCESS_ID.get(kind, ()) or name in by_hook


def in_c():
    """Of the packages that are imported, the one that may have made what no object holds."""
    import sys

    there = [name for name in IN_C if name in sys.modules]
    return there[0] if len(there) == 1 else None
