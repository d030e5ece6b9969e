#!/usr/bin/env python3
"""Fails if work has become dearer than benches/guard.txt says: more than a tenth in instructions, allocations or bytes kept.

    python3 benches/guard.py             compare
    python3 benches/guard.py --update    write down what is measured now
"""
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
BASELINE = HERE / "guard.txt"
ALLOWED = 1.10
# A part of each case's name, of which no other has all, and what it stands for among the peers' workloads.
CASES = {
    "answer a check on an established pair": "B1",
    "connect 10x10": "C3",
    "hold two agents at rest": "D1",
    "a minute of two agents at rest": "D1",
}


def built():
    """The program of the bench `connect`."""
    command = ["cargo", "bench", "--no-run", "--bench", "connect", "--message-format=json-render-diagnostics"]
    lines = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    programs = [json.loads(line).get("executable") for line in lines if line.startswith("{")]
    return [program for program in programs if program][-1]


def instructions(program, case):
    """What one round costs, with SHA-1 in software, as valgrind has it."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               "--toggle-collect=*support::measured*", program, "--once", case]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", said).group(1))


def memory(program, case):
    """Allocations of one round, and the bytes that it keeps."""
    said = subprocess.run([program, "--memory", case], check=True, capture_output=True, text=True).stdout
    _, allocations, _, kept = said.strip().split("\t")
    return int(allocations), int(kept)


def main():
    program = built()
    found = {case: (instructions(program, case), *memory(program, case)) for case in CASES}
    if "--update" in sys.argv:
        rows = [f"{case}\t{CASES[case]}\t" + "\t".join(map(str, row)) for case, row in found.items()]
        BASELINE.write_text("case\tworkload\tinstructions\tallocations\tbytes kept\n" + "\n".join(rows) + "\n")
        return 0
    rows = [line.split("\t") for line in BASELINE.read_text().splitlines()[1:]]
    dearer = 0
    for case, workload, *before in rows:
        for what, then, now in zip(("instructions", "allocations", "bytes kept"), map(int, before), found[case]):
            worse = now > then * ALLOWED
            dearer += worse
            print(f"{workload:3} {case:40} {what:13} {then:>9} -> {now:>9} {'DEARER' if worse else ''}")
    return 1 if dearer else 0


sys.exit(main())
