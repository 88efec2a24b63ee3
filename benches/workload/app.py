"""The benchmarks' application: OBJECTS records of some 780 bytes, loaded with the module.

A request reads 200 of them, chosen at random, leaves 50 reference cycles, and puts 100 entries into a cache
that forgets the oldest: what lives for some requests makes a full collection fall due, as it does in any
worker that runs for long. The query string is the seed, so that every run serves the same requests.
"""

import ctypes
import hashlib
import os
import random
from collections import deque

OBJECTS = int(os.environ["OBJECTS"])


class Record:
    def __init__(self, number):
        self.name = "record %d" % number
        self.text = "%08d" % number * 4
        self.tags = ["tag %d" % number, "tag %d" % (number + 1)]
        self.price = number / 7
        self.extra = {"label": "label %d" % number}


CACHE = deque(maxlen=20_000)
HEAP = [Record(number) for number in range(OBJECTS)]


def read(record):
    size = len(record.name) + len(record.text) + record.price
    for tag in record.tags:
        size += len(tag)
    for key, value in record.extra.items():
        size += len(key) + len(value)
    return size


def counts():
    """A digest of the first words, the reference counts, of 100,000 objects of the heap."""
    step = max(OBJECTS // 25_000, 1)
    digest = hashlib.sha256()
    for record in HEAP[::step][:25_000]:
        for part in (record, record.name, record.tags, record.extra["label"]):
            digest.update(ctypes.c_uint64.from_address(id(part)))
    return digest.hexdigest().encode()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/counts":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [counts()]
    choose = random.Random(int(environ["QUERY_STRING"] or 0))
    total = sum(read(HEAP[choose.randrange(OBJECTS)]) for _ in range(200))
    for _ in range(50):
        cycle = []
        cycle.append(cycle)
    CACHE.extend([total] for _ in range(100))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % total]
