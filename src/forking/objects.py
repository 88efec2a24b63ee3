# The living objects of classes that somebody has imported.

import sys


def imported(name):
    """The class `module.Class` if its module is there; nothing is imported."""
    module, _, kind = name.rpartition(".")
    # Not getattr: a module may import what it is asked for.
    found = vars(sys.modules[module]).get(kind) if module in sys.modules else None
    return found if isinstance(found, type) else None


def of_classes(names):
    """{name: [object]} of classes `module.Class`, subclasses too."""
    import gc

    wanted = {imported(name): name for name in names}
    wanted.pop(None, None)
    by_kind, found = {}, {}
    for thing in gc.get_objects() if wanted else ():
        # type(), not isinstance(): a lazy object would load what it stands for.
        kind = type(thing)
        if kind not in by_kind:
            by_kind[kind] = next((wanted[base] for base in kind.__mro__ if base in wanted), None)
        if by_kind[kind] is not None:
            found.setdefault(by_kind[kind], []).append(thing)
    return found


STANDARD = getattr(sys, "stdlib_module_names", None) or frozenset(
    "_io _socket _ssl _thread asyncio builtins collections concurrent contextlib functools http io "
    "logging multiprocessing queue random select selectors socket ssl subprocess sys threading "
    "types urllib uwsgi weakref".split()
)


def package(module):
    """The package that a module is part of; None if it is Python's own, or this text."""
    name = str(module or "").partition(".")[0]
    if name.startswith("uwsgi_file_") or name == "uwsgi_eval_config":
        return "the application"
    return None if not name or name in STANDARD else name


# Whoever holds these holds what they hold.
STEPS = 16
TRANSPARENT = {"urllib3", "httpcore", "httpx", "requests", "h11"}


def of_instance(holder, kind):
    """The module of an object's class; of a function its own."""
    own = getattr(holder, "__module__", None) if kind.__module__ == "builtins" else None
    return own or kind.__module__


def holders(things):
    """{key: package} for {key: object}: the nearest that is not Python's own, nor but a carrier, up to
    that many steps away."""
    import gc

    carriers = {}
    found, frontier = {}, {id(thing): (key, thing) for key, thing in things.items()}
    seen = set(frontier)
    for _ in range(STEPS):
        if not frontier:
            break
        level = [thing for _, thing in frontier.values()]
        further = {}
        for holder in gc.get_referrers(*level):
            if holder is level or holder is things or id(holder) in seen:
                continue
            kind = type(holder)
            if kind.__name__ == "frame" or "pycow" in str(getattr(holder, "__name__", "")):
                continue
            # A module or a class holds much: who holds it says nothing.
            is_module = kind is dict and "__name__" in holder and "__builtins__" in holder
            is_end = is_module or kind is type(sys) or isinstance(holder, type)
            name = package(holder["__name__"] if is_module else of_instance(holder, kind))
            for thing in gc.get_referents(holder):
                key = frontier.get(id(thing), (None,))[0]
                if key is None or key in found:
                    continue
                if name and name not in TRANSPARENT:
                    found[key] = name
                    continue
                if name:
                    carriers.setdefault(key, name)
                if not is_end:
                    further[id(holder)] = (key, holder)
        seen.update(further)
        frontier = {i: (key, thing) for i, (key, thing) in further.items() if key not in found}
    return {**carriers, **found}
