#!/usr/bin/env python3
"""Makes Markdown of out/wall.tsv, out/cg.out.* and out/crowd.tsv.

    python3 report.py OUTDIR             on stdout
    python3 report.py OUTDIR --readme    into README.md, in the place of what stands there
"""
import math
import os
import pathlib
import sys

from cgparse import load

TITLES = {
    "A1": "parse ICE binding request (92 B), no verification",
    "A2": "parse + FINGERPRINT + MESSAGE-INTEGRITY",
    "A3": "build the same request",
    "A4": "build success response (64 B)",
    "A5": "classify 16 mixed datagrams (per array)",
    "A6a": "wrap ChannelData 1200 B",
    "A6b": "unwrap ChannelData 1200 B",
    "A6c": "build Send indication 1200 B",
    "A6d": "parse Data indication 1200 B",
    "B1": "valid check -> response (controlling agent)",
    "B1c": "valid check with USE-CANDIDATE -> response (controlled agent)",
    "B1p": "valid check without USE-CANDIDATE -> response (controlled agent, own checks unanswered)",
    "B2": "check with wrong MESSAGE-INTEGRITY (attack cost)",
    "B3": "check with unknown ufrag and wrong MESSAGE-INTEGRITY",
    "C1": "handshake 1x1",
    "C2": "handshake 4x4",
    "C3": "handshake 10x10",
    "C4": "handshake 30x30",
    "C5": "handshake 100x100",
    "C6": "4x4, only the last pair reachable",
    "C7": "10x10, only the last pair reachable",
    "D2": "idle poll_timeout, 1 pair",
    "D2x10": "idle poll_timeout after a 10x10 handshake",
    "D3": "one virtual minute, two agents, 1x1",
    "D3x4": "one virtual minute, two agents, after 4x4",
    "D3x10": "one virtual minute, two agents, after 10x10",
    "E1": "HMAC-SHA1 over 60 B (24 B key)",
    "E2": "CRC-32 over 84 B",
}

# Rows that are no competitors.
REFERENCES = ("LIMIT", "memcpy 1200", "one compress() block")
CANDIDATES = {"C1": 1, "C2": 4, "C3": 10, "C4": 30, "C5": 100}
MARK = "<!-- report.py writes what follows -->\n"


def number(value):
    if value is None or value != value:
        return "-"
    for unit, size, digits in (("G", 1e9, 2), ("M", 1e6, 2), ("k", 1e5, 0)):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.{digits}f} {unit}"
    if value >= 1e4:
        return f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def time(ns):
    if ns is None:
        return "-"
    for unit, size, smallest in (("s", 1e9, 1e9), ("ms", 1e6, 1e6), ("us", 1e3, 1e4)):
        if ns >= smallest:
            return f"{ns / size:.3g} {unit}" if ns < 100 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns" if ns >= 100 else f"{ns:.1f} ns"


def ratio(value, reference):
    return f"{value / reference:.2f}" if value and reference else "-"


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def head(*cells):
    return row(cells) + "|" + "---|" * len(cells) + "\n"


def measured(folder):
    """{workload: {implementation: what wall.tsv says}}, in the order of TITLES."""
    found = {workload: {} for workload in TITLES}
    for line in open(folder + "/wall.tsv"):
        fields = line.rstrip("\n").split("\t")
        if len(fields) < 8:
            continue
        workload, implementation, least, median, allocations, requested, _, extra = fields
        extra = dict(figure.split("=") for figure in extra.split("; ") if figure)
        found[workload][implementation] = {
            "min": float(least), "median": float(median), "allocs": float(allocations), "bytes": float(requested),
            "extra": {name: float(value) for name, value in extra.items()},
        }
    return {workload: rows for workload, rows in found.items() if rows}


def competes(implementation, figures):
    """Not a limit, not floe, and not one that sends nothing in a steady minute."""
    floe = implementation.startswith("floe")
    return not (implementation in REFERENCES or floe or figures["extra"].get("datagrams") == 0)


def least(values):
    return min(values, default=None)


def table(workload, rows, counted):
    own = {name: counted[(workload, name)][0] - counted[(workload, name)][1] for name in rows if (workload, name) in counted}
    peers = [name for name, figures in rows.items() if competes(name, figures)]
    best, best_own = least(rows[name]["min"] for name in peers), least(own[name] for name in peers if name in own)
    limit = rows["LIMIT"]["min"] if "LIMIT" in rows else None
    extras = list(dict.fromkeys(name for figures in rows.values() for name in figures["extra"]))
    against_limit = ["/ LIMIT"] if limit else []
    text = f"\n#### {workload} {TITLES[workload]}\n\n" + head(
        "implementation", "min", "median", "/ best peer", *against_limit, "Ir", "Ir w/o SHA-1", "/ best", "allocs", "alloc bytes",
        *extras)
    for name, figures in sorted(rows.items(), key=lambda item: item[1]["min"]):
        text += row([
            name, time(figures["min"]), time(figures["median"]), ratio(figures["min"], best),
            *([ratio(figures["min"], limit)] if limit else []),
            number(counted[(workload, name)][0] if name in own else None), number(own.get(name)), ratio(own.get(name), best_own),
            number(figures["allocs"]), number(figures["bytes"]),
            *(f"{figures['extra'][extra]:g}" if extra in figures["extra"] else "-" for extra in extras)])
    return text


def growth(found):
    """How the time of a handshake grows with the candidates of a side."""
    if "C3" not in found:
        return ""
    text = "\n#### Growth of handshake CPU with n candidates per side (exponent of n between neighbours)\n\n"
    text += head("implementation", "1->4", "4->10", "10->30", "30->100")
    for name in dict.fromkeys(name for workload in CANDIDATES for name in found.get(workload, {})):
        points = [(count, found.get(workload, {}).get(name, {}).get("min")) for workload, count in CANDIDATES.items()]
        steps = zip(points, points[1:])
        text += row([name] + [
            f"{math.log(after / before) / math.log(larger / count):.2f}" if before and after else "-"
            for (count, before), (larger, after) in steps])
    return text


def crowd(folder):
    path = folder + "/crowd.tsv"
    if not os.path.exists(path):
        return ""
    text = "\n#### D1 crowd of established agents (1x1), one timer heap, in processor time\n\n" + head(
        "implementation", "agents", "heap bytes/agent (incl. struct)", "struct bytes", "ns per agent and virtual minute", "allocs",
        "datagrams", "wakeups", "heap growth B")
    for line in open(path):
        _, name, agents, heap, struct, _, *rest = line.rstrip("\n").split("\t")
        text += row([name, agents, heap, struct, *rest])
    return text


def main(folder, *options):
    found, counted = measured(folder), load(folder)
    text = "".join(table(workload, rows, counted) for workload, rows in found.items()) + growth(found) + crowd(folder)
    if "--readme" in options:
        readme = pathlib.Path(__file__).parent / "README.md"
        before, mark, _ = readme.read_text().partition(MARK)
        assert mark, "README.md has no mark"
        readme.write_text(before + mark + text)
    else:
        print(text)


main(*sys.argv[1:])
