#!/usr/bin/env python3
"""Connects two programs that speak the line protocol of README.md, in every combination of roles, signalling and
components, over this machine's loopback addresses, and compares what arrives byte for byte.

    run.py --floe target/release/examples/icepeer
    run.py --floe PROGRAM --only aioice -v        every cell whose name contains "aioice", with all events

The exit status is 1 if a cell failed.
"""
import argparse
import asyncio
import base64
import collections
import itertools
import json
import pathlib
import random
import shlex
import signal
import os
import sys
import time

from stun_server import StunServer

HERE = pathlib.Path(__file__).resolve().parent
BIND = ["127.0.0.1", "::1"]
SIZES = [1, 2, 3, 4, 12, 19, 20, 28, 64, 100, 160, 172, 256, 500, 548, 576, 1000, 1100, 1172, 1200]
ROLES = {
    "controlling > controlled": ("controlling", "controlled"),
    "both controlling": ("controlling", "controlling"),
    "both controlled": ("controlled", "controlled"),
}
CONNECT_SECONDS, DATA_SECONDS, CLOSE_SECONDS = 15, 3, 3


class Failure(Exception):
    """What a cell found wrong."""


class Peer:
    """A running program and what it has said so far."""

    def __init__(self, name, command, verbose):
        self.name, self.command, self.verbose = name, command, verbose
        self.credentials_at = self.up_at = None
        self.state, self.selected, self.problems = "new", {}, []
        self.data = collections.Counter()
        self.to_signal = asyncio.Queue()
        self.changed = None

    async def start(self, changed, **fields):
        self.changed = changed
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=None if self.verbose else asyncio.subprocess.DEVNULL, start_new_session=True, limit=1 << 20)
        self.reading = asyncio.create_task(self.read())
        self.say("start", **fields)

    def say(self, op, **fields):
        self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")

    async def read(self):
        while text := await self.process.stdout.readline():
            event = json.loads(text)
            if self.verbose and event["ev"] != "data":
                print(f"      {self.name}: {text.decode().strip()}", file=sys.stderr)
            self.handle(event.pop("ev"), event)
            self.changed.set()
        self.problems.append("ended early")
        self.changed.set()

    def handle(self, ev, event):
        if ev == "credentials":
            self.credentials_at = time.monotonic()
            self.to_signal.put_nowait(("remote-credentials", event))
        elif ev == "candidate":
            self.to_signal.put_nowait(("remote-candidate", event))
        elif ev == "end-of-candidates":
            self.to_signal.put_nowait(("remote-end-of-candidates", {}))
        elif ev == "state":
            self.state = event["state"]
            if self.up() and self.up_at is None:
                self.up_at = time.monotonic()
            elif self.state == "failed":
                self.problems.append("failed")
        elif ev == "selected":
            self.selected[event["component"]] = address(event["local"]), address(event["remote"])
        elif ev == "data":
            self.data[event["component"], base64.b64decode(event["data"])] += 1
        elif ev in ("error", "unsupported"):
            self.problems.append(f"{ev}: {event.get('message') or event.get('op')}")

    def up(self):
        return self.state in ("connected", "completed")

    async def signal_to(self, other, trickle):
        """Hands over credentials at once; candidates as they come, or all together at the end."""
        held = []
        while True:
            op, fields = await self.to_signal.get()
            if op == "remote-credentials" or trickle:
                other.say(op, **fields)
                continue
            held.append((op, fields))
            if op == "remote-end-of-candidates":
                for op, fields in held:
                    other.say(op, **fields)

    async def close(self):
        """Whether the program ended by itself, in time and well."""
        self.reading.cancel()
        if self.process.returncode is None:
            self.say("close")
        try:
            # What it still says has to be read, or it could not end.
            await asyncio.wait_for(asyncio.gather(self.process.stdout.read(), self.process.wait()), CLOSE_SECONDS)
            return self.process.returncode == 0
        except asyncio.TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            return False


class Cell:
    """Two programs, once."""

    def __init__(self, names, roles, trickle, components):
        self.names, self.roles, self.trickle, self.components = names, roles, trickle, components
        self.connect_ms, self.delivered = None, 0

    def label(self):
        return (f"{' > '.join(self.names):16}  {self.roles:24}  {'trickle' if self.trickle else 'all at once':11}  "
                f"{self.components:2}")

    async def run(self, commands, stun, verbose):
        """Returns what went wrong, or None."""
        self.changed = asyncio.Event()
        self.peers = a, b = [Peer(name, commands[name], verbose) for name in self.names]
        tasks = []
        try:
            for peer, role in zip(self.peers, ROLES[self.roles]):
                await peer.start(self.changed, role=role, components=self.components, lite=False, bind=BIND,
                                 stun=[stun], turn=[], policy="all")
            tasks = [asyncio.create_task(p.signal_to(q, self.trickle)) for p, q in ((a, b), (b, a))]
            await self.connect()
            await self.exchange()
            self.compare_pairs()
            return None
        except Failure as failure:
            return str(failure)
        finally:
            for task in tasks:
                task.cancel()
            self.ended = await asyncio.gather(*(peer.close() for peer in self.peers))

    async def until(self, condition, seconds):
        """Waits for `condition`; whether it came true in time. A problem that a program reports ends the cell."""
        end = time.monotonic() + seconds
        while not condition():
            for peer in self.peers:
                if peer.problems:
                    raise Failure(f"{peer.name}: {'; '.join(peer.problems)}")
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass
        return True

    async def connect(self):
        done = lambda: all(p.up() and len(p.selected) == self.components for p in self.peers)
        if not await self.until(done, CONNECT_SECONDS):
            raise Failure("not connected: " + ", ".join(
                f"{p.name} {p.state} with {len(p.selected)} selected" for p in self.peers))
        begin = max(p.credentials_at for p in self.peers)
        self.connect_ms = round((max(p.up_at for p in self.peers) - begin) * 1000)

    async def exchange(self):
        """Datagrams of many sizes both ways on every component, each of them unlike any other."""
        expected = {peer: collections.Counter() for peer in self.peers}
        chance = random.Random(repr((self.names, self.roles, self.trickle, self.components)))
        for size, component in itertools.product(SIZES, range(1, self.components + 1)):
            for sender, receiver in (self.peers, self.peers[::-1]):
                # The first byte is none that STUN or TURN may begin with (RFC 7983).
                data = (bytes([chance.randrange(128, 192)]) + chance.randbytes(size))[:size]
                expected[receiver][component, data] += 1
                sender.say("send", component=component, data=base64.b64encode(data).decode())
            await asyncio.sleep(0.002)
        await self.until(lambda: all(p.data.total() >= expected[p].total() for p in self.peers), DATA_SECONDS)
        self.delivered = sum((p.data & expected[p]).total() for p in self.peers)
        for peer in self.peers:
            if missing := expected[peer] - peer.data:
                raise Failure(f"{peer.name} lacks {missing.total()} of {expected[peer].total()} datagrams")
            if alien := peer.data - expected[peer]:
                raise Failure(f"{peer.name} received {alien.total()} datagrams that nobody sent")

    def compare_pairs(self):
        """Both sides have to have selected the same pair."""
        a, b = self.peers
        for component, (local, remote) in a.selected.items():
            if b.selected[component] != (remote, local):
                raise Failure(f"component {component}: {a.name} selected {local} > {remote}, "
                              f"{b.name} {' > '.join(b.selected[component])}")


def address(candidate):
    """Address and port of a candidate line."""
    words = candidate.split()
    return f"[{words[4]}]:{words[5]}" if ":" in words[4] else f"{words[4]}:{words[5]}"


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floe", metavar="COMMAND", help="floe's peer; without it, aioice is tested with itself")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells whose row contains this")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the programs say")
    options = parser.parse_args()

    commands = {"aioice": [sys.executable, str(HERE / "peer_aioice.py")]}
    pairs = [("aioice", "aioice")]
    if options.floe:
        commands["floe"] = shlex.split(options.floe)
        pairs = [("floe", "aioice"), ("aioice", "floe"), ("floe", "floe")]
    cells = [Cell(*what) for what in itertools.product(pairs, ROLES, (True, False), (1, 2))]
    cells = [cell for cell in cells if options.only in cell.label()]

    print(f"{'peers':16}  {'roles':24}  {'signalling':11}  {'n':>2}  {'connect':>8}  {'data':>5}")
    failed = 0
    async with StunServer() as stun:
        for cell in cells:
            problem = await cell.run(commands, stun.address, options.verbose)
            if problem is None and not all(cell.ended):
                problem = "did not end within 3 s of 'close', or not well"
            failed += problem is not None
            connect = f"{cell.connect_ms} ms" if cell.connect_ms is not None else "-"
            print(f"{cell.label()}  {connect:>8}  {cell.delivered:5}  {problem or 'ok'}", flush=True)
    print(f"{len(cells) - failed} passed, {failed} failed")
    return 1 if failed or not cells else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
