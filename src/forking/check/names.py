# What is not safe to inherit, named once.

import os
import sys


def advice(name, kind):
    return LIBRARIES.get(name, KINDS[kind])


def line(what, name, kind, where=""):
    whose = " of " + name if name else ""
    return "W\t%s%s%s: %s" % (what, whose, where, advice(name, kind))


def name_descriptors(fresh, owners, hooks):
    """Lines for `number`, tab, target."""
    by_number = dict(item.split("\t", 1) for item in owners.split("\n") if item)
    lines = {}
    for item in fresh.split("\n"):
        number, _, what = item.partition("\t")
        found = number and described(int(number), what)
        if not found:
            continue
        kind, words = found
        name = by_number.get(number)
        if name is None and kind in ("connection", "epoll"):
            name = in_c()
        # A database may have several descriptors: one line.
        if name != NAMED and not returns(name, kind, hooks):
            key = words if kind == "database" else number
            lines.setdefault(key, line("%s (descriptor %s)" % (words, number), name, kind))
    return report(lines.values())


def of_thread(thread, frame):
    """(package, where it runs) of a thread: the innermost frame that is not Python's own."""
    target = getattr(thread, "_target", None)
    name = package(type(thread).__module__) or package(getattr(target, "__module__", None))
    at = frame
    while frame is not None:
        own = package(frame.f_globals.get("__name__"))
        if own:
            name, at = name or own, frame
            break
        frame = frame.f_back
    if at is None:
        return name, ""
    code = at.f_code
    return name, ", in %s at %s:%d" % (code.co_name, code.co_filename, at.f_lineno)


def name_threads(ours, hooks):
    """Lines for those of `ours` (numbers of the kernel) that are threads of this interpreter; those
    that are not come last, in a line `N`."""
    left = set(int(number) for number in ours.split())
    lines = []
    threading = sys.modules.get("threading")
    if threading is not None:
        frames = sys._current_frames()
        current = threading.get_ident()
        for thread in threading.enumerate():
            number = getattr(thread, "native_id", None)
            if number not in left:
                continue
            left.discard(number)
            if thread.ident == current or not thread.is_alive():
                continue
            name, where = of_thread(thread, frames.get(thread.ident))
            if not returns(name, "thread", hooks):
                lines.append(line("the thread " + thread.name, name, "thread", where))
        del frames
    lines.append("N\t" + " ".join(str(number) for number in sorted(left)))
    return report(lines)


# Libraries that start threads in C and see to a fork themselves.
SAFE_IN_C = ("openblas", "libmkl_rt")


def name_native(numbers, hooks):
    """Lines for threads of C code."""
    by_name = {}
    for number in numbers.split():
        try:
            with open("/proc/self/task/%s/comm" % number) as file:
                comm = file.read().strip()
        except OSError:
            continue
        by_name[comm] = by_name.get(comm, 0) + 1
    try:
        with open("/proc/self/comm") as file:
            own = file.read().strip()
        with open("/proc/self/maps") as file:
            maps = file.read()
    except OSError:
        own = maps = ""
    # OpenBLAS ends its threads before a fork and starts them anew; they have no name of their own.
    if by_name.get(own, 0) < (os.cpu_count() or 1) and any(lib in maps for lib in SAFE_IN_C):
        by_name.pop(own, None)
    lines = []
    for comm, count in sorted(by_name.items()):
        whose = (name for name in IN_C if name in sys.modules and comm.startswith(IN_C[name] or "\n"))
        name = next(whose, None)
        if not returns(name, "thread", hooks):
            words = "%d thread%s named %s" % (count, "s" if count > 1 else "", comm)
            lines.append(line(words, name or "C code", "thread"))
    return report(lines)
