"""Merges out/wall.tsv, out/cg.out.*, out/crowd.tsv into Markdown. usage: report.py OUTDIR"""
import sys, math, os
from cgparse import load
TITLE = {
 "A1": "A1 parse ICE binding request (92 B), no verification", "A2": "A2 parse + FINGERPRINT + MESSAGE-INTEGRITY", "A3": "A3 build the same request",
 "A4": "A4 build success response (64 B)", "A5": "A5 classify 16 mixed datagrams (per array)", "A6a": "A6a wrap ChannelData 1200 B", "A6b": "A6b unwrap ChannelData 1200 B",
 "A6c": "A6c build Send indication 1200 B", "A6d": "A6d parse Data indication 1200 B", "B1": "B1 valid check -> response (controlling agent)", "B1c": "B1c valid check with USE-CANDIDATE -> response (controlled agent)",
 "B1p": "B1p valid check without USE-CANDIDATE -> response (controlled agent, own checks unanswered)", "B2": "B2 check with wrong MESSAGE-INTEGRITY (attack cost)", "B3": "B3 check with unknown ufrag and wrong MESSAGE-INTEGRITY", "C1": "C1 handshake 1x1", "C2": "C2 handshake 4x4", "C3": "C3 handshake 10x10",
 "C4": "C4 handshake 30x30", "C5": "C5 handshake 100x100", "C6": "C6 4x4, only the last pair reachable", "C7": "C7 10x10, only the last pair reachable",
 "D2": "D2 idle poll_timeout, 1 pair", "D2x10": "D2 idle poll_timeout after a 10x10 handshake", "D3": "D3 one virtual minute, two agents, 1x1", "D3x4": "D3 one virtual minute, two agents, after 4x4", "D3x10": "D3 one virtual minute, two agents, after 10x10",
 "E1": "E1 HMAC-SHA1 over 60 B (24 B key)", "E2": "E2 CRC-32 over 84 B",
}
def num(x):
    if x is not None and x != x: return "-"
    if x is None: return "-"
    if x >= 1e9: return f"{x/1e9:.2f} G"
    if x >= 1e6: return f"{x/1e6:.2f} M"
    if x >= 1e5: return f"{x/1e3:.0f} k"
    if x >= 1e4: return f"{x/1e3:.1f} k"
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}"
def ns(x):
    if x is None: return "-"
    for u, d in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if x >= d * (10 if u == "us" else 1): return f"{x/d:.3g} {u}" if x < 100 * d else f"{x/d:.0f} {u}"
    return f"{x:.0f} ns" if x >= 100 else f"{x:.1f} ns"
def ratio(a, b): return "-" if not a or not b else f"{a/b:.2f}"
REF = ("LIMIT", "memcpy 1200", "one compress() block")
def ref(i, r):
    """rows that are no competitors: the limits, floe itself, and whoever sends nothing in a steady minute"""
    return i in REF or i.startswith("floe") or (r["ex"].get("datagrams") == 0)
def main(d):
    wall = {}
    order = []
    for line in open(d + "/wall.tsv"):
        p = line.rstrip("\n").split("\t")
        if len(p) < 8: continue
        wall[(p[0], p[1])] = dict(min=float(p[2]), med=float(p[3]), al=float(p[4]), by=float(p[5]), ret=float(p[6]), ex=dict((k, float(v)) for k, v in (e.split("=") for e in p[7].split("; ") if e)))
        if p[0] not in order: order.append(p[0])
    cg = load(d)
    order.sort(key=lambda w: list(TITLE).index(w) if w in TITLE else 99)
    for w in order:
        rows = [(i, r) for (x, i), r in wall.items() if x == w]
        isE = w.startswith("E")
        peers = [r["min"] for i, r in rows if not ref(i, r)]
        irx = {i: (cg[(w, i)][0] - cg[(w, i)][1]) for i, _ in rows if (w, i) in cg}
        pi = [irx[i] for i, r in rows if i in irx and not ref(i, r)]
        lim = next((r["min"] for i, r in rows if i == "LIMIT"), None)
        print(f"\n#### {TITLE.get(w, w)}\n")
        ex = []
        for _, r in rows:
            for k in r["ex"]:
                if k not in ex: ex.append(k)
        head = ["implementation", "min", "median", "/ best peer"] + (["/ LIMIT"] if lim else []) + ["Ir", "Ir w/o SHA-1", "/ best"] + ["allocs", "alloc bytes"] + ex
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for i, r in sorted(rows, key=lambda x: x[1]["min"]):
            c = cg.get((w, i))
            row = [i, ns(r["min"]), ns(r["med"]), ratio(r["min"], min(peers) if peers else None)] + ([ratio(r["min"], lim)] if lim else [])
            row += [num(c[0]) if c else "-", num(irx.get(i)), ratio(irx.get(i), min(pi) if pi else None), num(r["al"]), num(r["by"])] + [f"{r['ex'][k]:g}" if k in r["ex"] else "-" for k in ex]
            print("| " + " | ".join(row) + " |")
    ns_c = {"C1": 1, "C2": 4, "C3": 10, "C4": 30, "C5": 100}
    imps = []
    for (w, i) in wall:
        if w in ns_c and i not in imps: imps.append(i)
    if any(w == "C3" for w in order):
        print("\n#### Growth of handshake CPU with n candidates per side (exponent of n between neighbours)\n\n| implementation | 1->4 | 4->10 | 10->30 | 30->100 |\n|---|---|---|---|---|")
        for i in imps:
            t = [wall.get((w, i), {}).get("min") for w in ns_c]
            e = []
            for (a, na), (b, nb) in zip(zip(t, ns_c.values()), list(zip(t, ns_c.values()))[1:]):
                e.append(f"{math.log(b/a)/math.log(nb/na):.2f}" if a and b else "-")
            print(f"| {i} | " + " | ".join(e) + " |")
    if os.path.exists(d + "/crowd.tsv"):
        print("\n#### D1 crowd of established agents (1x1), one timer heap\n\n| implementation | agents | heap bytes/agent (incl. struct) | struct bytes | ns per agent and virtual minute | allocs | datagrams | wakeups | heap growth B |\n|---|---|---|---|---|---|---|---|---|")
        for line in open(d + "/crowd.tsv"):
            p = line.rstrip("\n").split("\t")
            if p[0] == "D1": print(f"| {p[1]} | {p[2]} | {p[3]} | {p[4]} | {p[6]} | {p[7]} | {p[8]} | {p[9]} | {p[10]} |")
main(sys.argv[1])
