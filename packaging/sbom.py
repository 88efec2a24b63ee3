"""Prints the crates that are linked into the plugin, as CycloneDX 1.5 (https://cyclonedx.org)."""

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "Cargo.lock"


def linked():
    """Names and versions of what the plugin reaches: no build script, no macro, no test."""
    edges = ["--package", "pycow", "--edges", "normal,no-proc-macro"]
    for arch in ("x86_64", "aarch64"):
        edges += ["--target", f"{arch}-unknown-linux-gnu"]
    command = ["cargo", "tree", "--locked", *edges, "--prefix", "none", "--format", "{p}"]
    tree = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    # `libc v0.2.1`, and behind that where a crate of this checkout lies.
    return {(name, version[1:]) for name, version, *_ in map(str.split, filter(str.strip, tree.splitlines()))}


def checksums():
    """What Cargo.lock pins: the SHA-256 of each crate's archive."""
    found = re.findall(r'name = "(.*)"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"', LOCK.read_text())
    return {(name, version): checksum for name, version, checksum in found}


def component(package, pinned):
    """One crate."""
    name, version = package["name"], package["version"]
    entry = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in pinned:
        entry["hashes"] = [{"alg": "SHA-256", "content": pinned[name, version]}]
    return entry


def main():
    """The exit status."""
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    metadata = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    root, pinned, wanted = metadata["resolve"]["root"], checksums(), linked()
    found = (p for p in metadata["packages"] if (p["name"], p["version"]) in wanted)
    packages = sorted(found, key=lambda p: p["name"])
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(next(p for p in packages if p["id"] == root), pinned)},
        "components": [component(p, pinned) for p in packages if p["id"] != root],
    }
    json.dump(bill, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
