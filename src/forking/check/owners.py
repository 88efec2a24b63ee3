# Whose a descriptor is: the package of the object that holds it.

SELECTOR_LOOP = "asyncio.selector_events.BaseSelectorEventLoop"
# In place of a package: it is part of something that has a line of its own.
NAMED = "-"

# Classes whose objects have a descriptor, or several.
OWNERS = (
    "socket.socket",
    "psycopg2.extensions.connection",
    "psycopg.Connection",
    SELECTOR_LOOP,
    "subprocess.Popen",
    "selectors.EpollSelector",
    "zmq.sugar.socket.Socket",
)


def number_of(thing):
    try:
        return thing.fileno()
    except Exception:
        return None  # closed, or none


def of_loop(loop):
    parts = [getattr(loop, name, None) for name in ("_selector", "_ssock", "_csock")]
    return [number_of(part) for part in parts]


def owners(numbers):
    """Lines `number`, tab, package, of those descriptors that an object here holds."""
    wanted = set(int(number) for number in numbers.split())
    things, known = {}, {}
    for name, objects in of_classes(OWNERS).items():
        for thing in objects:
            if name == SELECTOR_LOOP:
                known.update((number, NAMED) for number in of_loop(thing))
                continue
            if name == "subprocess.Popen":
                files = (thing.stdin, thing.stdout, thing.stderr)
                known.update((number_of(file), NAMED) for file in files)
                continue
            number = number_of(thing)
            if number not in wanted:
                continue
            own = package(type(thing).__module__)
            if own:
                known[number] = own
            else:
                things.setdefault(number, thing)
    objects = thing = None
    for number, name in holders(things).items():
        known.setdefault(number, name)
    return report("%d\t%s" % item for item in known.items() if item[0] in wanted)
