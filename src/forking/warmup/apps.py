# The WSGI callables that uWSGI holds in this interpreter, and where they are mounted.
#
# uWSGI keeps them in C; they are found again where its loaders (plugins/python/pyloader.c) took
# them from. Nothing is imported and nothing is called that uWSGI has not imported and called.

import sys


def text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def pythonize(path):
    """The name under which uWSGI imports a file (uwsgi_pythonize)."""
    for scheme in ("sym://", "http://", "data://"):
        if path.startswith(scheme):
            path = path[len(scheme):]
            break
    name = path.replace(".", "_").replace("/", "_")
    return "uwsgi_file_" + (name[:-3] if name.endswith("_py") else name)


def loaded(name):
    """What a module defines, if it is there."""
    module = sys.modules.get(name)
    return None if module is None else vars(module)


def of_file(path, name):
    """uwsgi_file_loader"""
    names = loaded(pythonize(path))
    return [] if names is None else [("", names.get(name or "application"))]


def of_module(spec, name):
    """uwsgi_uwsgi_loader"""
    module, _, quick = spec.partition(":")
    names = loaded(module)
    if names is None:
        return []
    for holder in (loaded("uwsgi") or {}, names):
        several = holder.get("applications")
        if isinstance(several, dict):
            return [(text(point), app) for point, app in several.items()]
    quick = quick or name or "application"
    return [("", held() if quick.endswith("()") else names.get(quick))]


def of_mount(what, name):
    """uwsgi_mount_loader"""
    if what.endswith((".py", ".wsgi")):
        return of_file(what, name)
    if what.endswith(".ini"):
        return [("", held())]
    return of_module(what, name)


def applications(index, mounts, single, module, path, code, made, name):
    """[(mountpoint, callable)] of the interpreter with that index.

    The main one (index 0) has what the options `module`, `wsgi-file`, `eval`, `paste` and `pecan`
    say, or else the first mount; each further mount has an interpreter of its own, in their order,
    unless all share one (`single`). `mounts` are (mountpoint, what), as uWSGI loaded them.
    """
    found = []
    if index == 0:
        if module:
            found = of_module(module, name)
        elif path:
            found = of_file(path, name)
        elif made:
            found = [("", held())]
        elif code:
            names = loaded("uwsgi_eval_config") or {}
            found = [("", names.get(name or "application"))]
    first = 1 if module or path or made or code else 0
    here = mounts if single else mounts[max(index - first, 0):max(index - first + 1, 0)]
    for point, what in here:
        found += [(point, app) for _, app in of_mount(what, name)]
    return [(point, app) for point, app in found if callable(app)]


def held():
    """The application that a factory made, whether a module names it or not.

    uWSGI's own two references to it are the only ones that no Python object accounts for.
    """
    import gc

    class Probe:
        def __call__(self, environ, start_response):
            pass

    candidates = [Probe()]
    takes_two = {type(candidates[0].__call__): True}
    everything = gc.get_objects()
    for thing in everything:
        kind = type(thing)
        if kind not in takes_two:
            takes_two[kind] = serves(kind)
        is_function = kind is type(held) and thing.__code__.co_argcount == 2
        if is_function or takes_two[kind] and kind is not Probe:
            candidates.append(thing)
    accounted = dict.fromkeys(map(id, candidates), 0)
    # A heap has many references: they are listed for some objects at a time.
    for some in range(0, len(everything), 1000):
        for number in map(id, gc.get_referents(*everything[some:some + 1000])):
            if number in accounted:
                accounted[number] += 1
    del everything, thing
    spare = [sys.getrefcount(candidate) - accounted[id(candidate)] for candidate in candidates]
    # The probe shows how many are this function's own.
    ours = [i for i in range(1, len(candidates)) if spare[i] - spare[0] == 2]
    return candidates[ours[0]] if len(ours) == 1 else None


def serves(kind):
    """Instances of that class can be called as WSGI calls: by a method written in Python."""
    if issubclass(kind, type):
        return False
    for base in kind.__mro__:
        call = base.__dict__.get("__call__")
        if call is not None:
            code = getattr(call, "__code__", None)
            return code is not None and (code.co_argcount == 3 or bool(code.co_flags & 4))
    return False
