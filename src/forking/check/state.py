# What workers would share that has neither a thread nor a descriptor of its own.

import os
import sys


LOOP = "asyncio.events.AbstractEventLoop"
SUBPROCESS = "subprocess.Popen"
GENERATORS = (
    "random.Random",
    "numpy.random._generator.Generator",
    "numpy.random.mtrand.RandomState",
)


def name_loops(found):
    """Event loops that are not closed."""
    loops = enumerate(found.get(LOOP, ()))
    open_loops = {i: loop for i, loop in loops if not loop.is_closed()}
    by = holders(open_loops)
    return [
        "W\tan event loop (%s)%s: its epoll descriptor is the master's, and workers would take each "
        "other's events: make it in a function under uwsgidecorators.postfork, or where it is used"
        % (type(loop).__name__, " of " + by[i] if i in by else "")
        for i, loop in open_loops.items()
    ]


def name_generators(found):
    """Random generators whose next numbers are the same in every worker.

    The functions of `random` are seeded anew by a fork hook of Python's own; `secrets` and
    `random.SystemRandom` ask the kernel.
    """
    module = sys.modules.get("random")
    skipped = {id(getattr(module, "_inst", None))}
    system = getattr(module, "SystemRandom", ())
    # These look at the process id.
    temporary = getattr(sys.modules.get("tempfile"), "_name_sequence", None)
    skipped.add(id(getattr(temporary, "_rng", None)))
    mtrand = sys.modules.get("numpy.random.mtrand")
    shared = getattr(mtrand, "_rand", None)
    if shared is not None and shared.get_state()[2] == 624:
        skipped.add(id(shared))  # never drawn from
    things = {}
    for name in GENERATORS:
        for thing in found.get(name, ()):
            if id(thing) not in skipped and not (system and isinstance(thing, system)):
                things[len(things)] = thing
    by = holders(things)
    lines = []
    for i, thing in things.items():
        kind = type(thing)
        lines.append(
            "W\ta random generator (%s.%s)%s: every worker would draw the same numbers from it: "
            "seed it in a function under uwsgidecorators.postfork"
            % (kind.__module__.partition(".")[0], kind.__name__, " of " + by[i] if i in by else "")
        )
    return lines


def name_children(found):
    """Subprocesses that run."""
    lines = []
    for thing in found.get(SUBPROCESS, ()):
        if thing.returncode is None and os.path.exists("/proc/%d" % thing.pid):
            words = thing.args if isinstance(thing.args, str) else " ".join(map(str, thing.args))
            lines.append((thing.pid, words))
    module = sys.modules.get("multiprocessing.process")
    for process in list(getattr(module, "_children", ())):
        if process.is_alive():
            lines.append((process.pid, process.name))
    return [
        "W\tthe subprocess %d (%s): workers cannot wait for it, and share its pipes: start it in a "
        "function under uwsgidecorators.postfork, or as attach-daemon" % (pid, words)
        for pid, words in lines
    ]


def name_contexts(_):
    lines = []
    cuda = sys.modules.get("torch.cuda")
    if cuda is not None and cuda.is_initialized():
        lines.append(
            "W\tCUDA of torch: it cannot be used in a process that was forked: first use it in a "
            "function under uwsgidecorators.postfork"
        )
    ssl = sys.modules.get("ssl")
    if ssl is not None and ssl.OPENSSL_VERSION_INFO < (1, 1, 1):
        lines.append(
            "W\t%s: workers may draw the same random numbers: call ssl.RAND_add in a function under "
            "uwsgidecorators.postfork" % ssl.OPENSSL_VERSION
        )
    return lines


def name_state():
    lines = []
    found = of_classes([LOOP, SUBPROCESS, *GENERATORS])
    for name in (name_loops, name_generators, name_children, name_contexts):
        try:
            lines += name(found)
        except Exception as error:
            lines.append("W\t%s: %s: %s" % (name.__name__, type(error).__name__, error))
    return report(lines)
