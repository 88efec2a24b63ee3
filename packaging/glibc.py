"""glibc.py FILE VERSION: fails if the file asks for symbols of a newer glibc."""

import re
import sys

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection


def number(version):
    """`2.17` as numbers."""
    return tuple(int(part) for part in version.split("."))


def main(path, allowed):
    """The exit status."""
    asked = set()
    with open(path, "rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, versions in section.iter_versions():
                    asked.update(version.name for version in versions)
    found = (re.fullmatch(r"GLIBC_([0-9.]+)", name) for name in asked)
    newer = [match.group() for match in found if match and number(match.group(1)) > number(allowed)]
    if newer:
        print(f"{path} needs {', '.join(sorted(newer))}: more than glibc {allowed} has", file=sys.stderr)
    return 1 if newer else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
