# The requests of the warm-up, served in this interpreter.

import io
import os
import sys
import time


class Expired(BaseException):
    """The time of a request is up. No `except Exception` of an application catches it."""


class Failed(Exception):
    """The answer is none."""


class Timer:
    """Raises Expired in what runs longer than `seconds`, where Python code can be interrupted.

    Only the main interpreter's main thread gets signals from Python; elsewhere the time is
    looked at between two chunks of a body.
    """

    def __init__(self, seconds, by_signal):
        self.seconds, self.by_signal = seconds, by_signal
        self.end, self.armed = 0.0, False

    def __enter__(self):
        self.end, self.armed = time.monotonic() + self.seconds, True
        if self.by_signal:
            import signal

            self.handler = signal.signal(signal.SIGALRM, self.expired)
            self.mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
            # Again every second: whoever swallows one gets the next.
            self.before = signal.setitimer(signal.ITIMER_REAL, self.seconds, 1)
        return self

    def __exit__(self, *_):
        self.armed = False
        if self.by_signal:
            import signal

            signal.setitimer(signal.ITIMER_REAL, *self.before)
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
            # The handler as C knows it is put back by who called.
            signal.signal(signal.SIGALRM, self.handler or signal.SIG_DFL)

    def expired(self, *_):
        if self.armed:
            raise Expired

    def check(self):
        if time.monotonic() > self.end:
            raise Expired


class FileWrapper:
    """wsgi.file_wrapper: the file is read to its end."""

    def __init__(self, file, size=8192):
        self.file, self.size = file, size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self):
        return iter(lambda: self.file.read(self.size), b"")


def split(target):
    """(scheme, host, path) of a path or a URL."""
    if target.startswith("/"):
        return "http", "localhost", target
    scheme, _, rest = target.partition("://")
    host, slash, path = rest.partition("/")
    return scheme.lower(), host, slash + path or "/"


def route(target, points):
    """The longest mountpoint of `points` that a target lies under; None if there is none."""
    _, host, path = split(target)
    path = path.partition("?")[0]
    best = None
    for point in points:
        # `/path`, `host`, `host/path`, or `host|path` of `vhost`.
        domain, _, prefix = point.replace("|", "/", 1).partition("/")
        prefix = ("/" + prefix).rstrip("/")
        under = path == prefix or path.startswith(prefix + "/")
        if under and domain in ("", host, host.partition(":")[0]):
            rank = (len(prefix), len(domain))
            if best is None or rank > best[0]:
                best = (rank, point, prefix)
    return best and best[1:]


def environ_of(target, prefix):
    """By PEP 3333, and what uWSGI adds."""
    import uwsgi

    scheme, host, uri = split(target)
    path, _, query = uri.partition("?")
    name, _, port = host.partition(":")
    environ = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": uri,
        "SCRIPT_NAME": prefix,
        "PATH_INFO": unquote(path)[len(prefix):],
        "QUERY_STRING": query,
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "SERVER_NAME": name,
        "SERVER_PORT": port or ("443" if scheme == "https" else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": scheme,
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "HTTP_HOST": host,
        "HTTP_USER_AGENT": "pycow-warmup",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.run_once": False,
        "wsgi.multithread": uwsgi.cores > 1 and "async" not in uwsgi.opt,
        "wsgi.multiprocess": uwsgi.numproc > 1,
        "uwsgi.version": uwsgi.version,
        "uwsgi.node": uwsgi.hostname,
        "pycow.warmup": True,
        # New Relic's agent would start its thread, which workers would not have.
        "newrelic.enabled": False,
    }
    if scheme == "https":
        environ["HTTPS"] = "on"
    if uwsgi.cores > 1:
        environ["uwsgi.core"] = 0
    if "wsgi-disable-file-wrapper" not in uwsgi.opt:
        environ["wsgi.file_wrapper"] = FileWrapper
    return environ


def unquote(path):
    """The bytes of a path as WSGI has them: a str of characters up to U+00FF."""
    parts = path.encode("utf-8", "surrogateescape").split(b"%")
    raw = parts[0]
    for part in parts[1:]:
        try:
            raw += bytes([int(part[:2], 16)]) + part[2:]
        except ValueError:
            raw += b"%" + part
    return raw.decode("latin-1")


def request(app, target, prefix, timer):
    """One request, its body read to the end and closed; the status line and Location."""
    answer = []

    def start_response(status, headers, exc_info=None):
        answer[:] = [status, dict((key.lower(), value) for key, value in headers)]
        return lambda data: None

    body = app(environ_of(target, prefix), start_response)
    try:
        if not isinstance(body, (bytes, type(None))):
            for _ in body:
                timer.check()
    finally:
        if hasattr(body, "close"):
            body.close()
    if not answer:
        raise Failed("no status was given")
    return answer[0], answer[1].get("location", "")


def call(app, target):
    """`module:function`, called with the WSGI callable."""
    module, _, name = target.partition(":")
    __import__(module)
    function = sys.modules[module]
    for part in name.split("."):
        function = getattr(function, part)
    function(app)


def where(error):
    """Where an exception was raised: file:line of its innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return " (%s:%d)" % (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


def complaint(status, location, target):
    """What is wrong with an answer, if anything is."""
    if status >= "5":
        return "answered " + status
    if status.startswith("400"):
        return "answered %s: a URL instead of a path sends a host of its own" % status
    if status.startswith("3") and split(target)[0] == "http" and location.startswith("https://"):
        return "answered %s to https: a URL with https:// is served as such" % status
    return None


def warm(app, target, prefix, rounds, timer):
    """(statuses, complaint) of one target."""
    is_function = "/" not in target
    statuses = []
    for _ in range(rounds):
        try:
            with timer:
                if is_function:
                    call(app, target)
                    continue
                status, location = request(app, target, prefix, timer)
        except Expired:
            return statuses, "took longer than %d s (pycow-warmup-timeout)" % timer.seconds
        except BaseException as error:
            return statuses, "%s: %s%s" % (type(error).__name__, error, where(error))
        statuses.append(status[:3])
        wrong = complaint(status, location, target)
        if wrong:
            return statuses, wrong
    return statuses, None


def run(index, mounts, single, module, path, code, made, name, targets, rounds, timeout):
    """Serves what is this interpreter's. Answers what is to be said."""
    index, rounds = int(index), int(rounds)
    mounts = [tuple(line.split("\t", 1)) for line in mounts.split("\n") if line]
    apps = applications(index, mounts, single == "1", module, path, code, made, name)
    by_point = dict(reversed(apps))
    points = set(by_point).union(point for point, _ in mounts)
    lines = []
    if not apps:
        if index == 0 and not mounts:
            lines.append("W\tno WSGI callable of uWSGI's is found: nothing is warmed")
        return report(lines)
    timer = Timer(int(timeout), index == 0)
    served, count, start = {}, 0, time.monotonic()
    with StandIns():
        for target in targets.split("\n"):
            prefix = ""
            if "/" in target:
                to = route(target, points)
                if to is None or to[0] not in by_point:
                    if to is None and index == 0:
                        lines.append("W\t%s: no application is mounted there" % target)
                    continue
                app, prefix = by_point[to[0]], to[1]
            elif index == 0:
                app = apps[0][1]
            else:
                continue
            statuses, wrong = warm(app, target, prefix, rounds, timer)
            count += 1
            for status in statuses:
                served[status] = served.get(status, 0) + 1
            if wrong:
                lines.append("W\t%s %s" % (target, " ".join(wrong.split())))
    if count:
        answers = ", ".join("%d of %s" % (n, status) for status, n in sorted(served.items()))
        lines.append(
            "I\tserved %d target%s%s in %.3f s%s"
            % (
                count,
                "s" if count > 1 else "",
                "" if index == 0 else " of the mount " + apps[0][0],
                time.monotonic() - start,
                answers and ": " + answers,
            )
        )
    return report(lines)
