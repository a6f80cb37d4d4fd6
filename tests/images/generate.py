#!/usr/bin/python3
"""Makes the images of the corpus and the table of what must happen.

generate.py DIRECTORY UNPACKED_BYTES_MAX ENTRIES_MAX: DIRECTORY/layout has the images, for a registry
of the tests; DIRECTORY/cases.json the table, of which corpus_test.cc says what its fields mean.
"""

import json
import sys

import layers
import process
import volumes
from making import Layout, base
from table import Table


def troubles(t):
    """Registries that do not do what they should, for a plain image."""
    def case(kind, odd, times=1_000_000, **step):
        t.case(f"registry-{kind}-{times}" if times < 10 else f"registry-{kind}", odd,
               [dict(image="plain", proof=["here"], proof_in="data", **step)], trouble=dict(kind=kind, times=times))

    refused = dict(outcome="refused")
    case("unauthorized", "401", reason="REGISTRY_DENIED", says="--registry-authfile", **refused)
    case("forbidden", "403", reason="REGISTRY_DENIED", **refused)
    case("not_found", "404", reason="IMAGE_NOT_FOUND", **refused)
    case("unavailable", "503", reason="IMAGE_NOT_PULLED", **refused)
    case("unavailable", "503 four times", 4)
    case("too_many", "429 twice, with Retry-After", 2)
    case("cut", "the connection ends within a layer, always", reason="IMAGE_NOT_PULLED", **refused)
    case("cut", "the connection ends within a layer, twice", 2)
    case("corrupt", "a layer is not what its digest says", reason="IMAGE_DAMAGED", **refused)
    case("stall", "a layer stands still, once", 1)
    case("slow", "a layer comes slowly")
    case("wrong_manifest", "the manifest is not that of the digest", reason="IMAGE_DAMAGED", behind="@PLAIN", **refused)
    case("not_http", "nonsense twice", 2)


def main():
    target, bytes_max, entries_max = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    layout = Layout(target + "/layout")
    table = Table(layout, base())
    layers.all_cases(table, layout, bytes_max, entries_max)
    process.all_cases(table, layout)
    volumes.all_cases(table, layout)
    troubles(table)
    layout.close()
    plain = next(one["digest"] for one in layout.index if "plain" in one["annotations"].values())
    text = json.dumps(table.cases, indent=1).replace("@PLAIN", "@" + plain)
    with open(target + "/cases.json", "w") as out:
        out.write(text)


main()
