# The descriptors that two processes must not share, in words.

import os


def address(name):
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace").replace("\0", "@")
    return "%s:%d" % name[:2] if isinstance(name, tuple) else name


def peer(number):
    """The other end of a connected socket; None if it listens, or is not connected."""
    import _socket

    try:
        socket = _socket.socket(fileno=os.dup(number))
    except OSError:
        return None
    try:
        return address(socket.getpeername())
    except OSError:
        return None
    finally:
        socket.close()


def flags(number):
    try:
        with open("/proc/self/fdinfo/%d" % number) as file:
            return next((int(line[6:], 8) for line in file if line.startswith("flags:")), 0)
    except OSError:
        return 0


def begin(number):
    try:
        return os.pread(number, 16, 0)
    except OSError:
        return b""


def described(number, what):
    """(kind, in words); None if it may be shared, or is something else by now: threads go on."""
    try:
        if os.readlink("/proc/self/fd/%d" % number) != what:
            return None
    except OSError:
        return None
    if what.startswith("socket:"):
        other = peer(number)
        if other is None:
            return None
        return ("connection", "a connection to " + other) if other else ("pipe", "a socket pair")
    if what == "anon_inode:[eventpoll]":
        return "epoll", "an epoll descriptor"
    if what.startswith("anon_inode:[io_uring"):
        return "epoll", "an io_uring"
    if what.startswith("pipe:"):
        return "pipe", "a pipe"
    if what.startswith(("/dev/nvidia", "/dev/kfd", "/dev/dri")):
        return "device", "a context of the device " + what
    if not what.startswith("/") or what.startswith(("/dev/", "/proc/", "/sys/", "/memfd:")):
        return None
    if begin(number) == b"SQLite format 3\0":
        return "database", "the SQLite database " + what
    if what.endswith("/data.mdb"):
        return "database", "the LMDB environment " + os.path.dirname(what)
    mode = flags(number)
    # SQLite's and LMDB's own files beside the database; a log that every write appends to.
    beside = what.endswith(("-wal", "-shm", "-journal", "/lock.mdb"))
    if beside or mode & os.O_APPEND or mode & os.O_ACCMODE == os.O_RDONLY:
        return None
    return "file", "the file %s, open for writing" % what
