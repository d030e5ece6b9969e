#!/usr/bin/env python3
"""A peer that speaks the line protocol of README.md by means of aioice."""
import asyncio
import base64
import json
import logging
import os
import sys

import aioice
import aioice.ice

if os.environ.get("PEER_DEBUG"):
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)


def emit(ev, **fields):
    sys.stdout.write(json.dumps({"ev": ev, **fields}) + "\n")
    sys.stdout.flush()


def host_port(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def line(candidate):
    return "candidate:" + candidate.to_sdp()


class Peer:
    def __init__(self):
        self.connection = self.gathered = self.connecting = None
        self.shown = {}
        self.tasks = []

    def start(self, command):
        # aioice has no option for the addresses to use, and leaves out loopback.
        bind = command["bind"]
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [
            a for a in bind if (use_ipv6 if ":" in a else use_ipv4)]
        servers = command.get("stun") or []
        self.connection = aioice.Connection(
            ice_controlling=command["role"] == "controlling", components=command.get("components", 1),
            stun_server=host_port(servers[0]) if servers else None)
        emit("credentials", ufrag=self.connection.local_username, pwd=self.connection.local_password)
        self.gathered = asyncio.create_task(self.gather())

    async def gather(self):
        await self.connection.gather_candidates()
        for candidate in self.connection.local_candidates:
            emit("candidate", candidate=line(candidate))
        emit("end-of-candidates")

    async def connect(self):
        await self.gathered
        emit("state", state="checking")
        try:
            await self.connection.connect()
        except ConnectionError as e:
            emit("error", message=f"connect: {e}")
            emit("state", state="failed")
            return
        self.show_selected()
        emit("state", state="completed")
        self.tasks = [asyncio.create_task(self.receive()), asyncio.create_task(self.watch())]

    async def receive(self):
        while True:
            try:
                data, component = await self.connection.recvfrom()
            except ConnectionError:
                return
            emit("data", component=component, data=base64.b64encode(data).decode())

    async def watch(self):
        while True:
            self.show_selected()
            await asyncio.sleep(0.1)

    def show_selected(self):
        for component, pair in self.connection._nominated.items():
            now = line(pair.local_candidate), line(pair.remote_candidate)
            if now != self.shown.get(component):
                self.shown[component] = now
                emit("selected", component=component, local=now[0], remote=now[1])

    async def handle(self, command):
        op = command["op"]
        if op == "start":
            self.start(command)
        elif op == "remote-credentials":
            self.connection.remote_username, self.connection.remote_password = command["ufrag"], command["pwd"]
            self.connecting = asyncio.create_task(self.connect())
        elif op == "remote-candidate":
            value = command["candidate"].removeprefix("candidate:")
            await self.connection.add_remote_candidate(aioice.Candidate.from_sdp(value))
        elif op == "remote-end-of-candidates":
            await self.connection.add_remote_candidate(None)
        elif op == "send":
            await self.connection.sendto(base64.b64decode(command["data"]), command.get("component", 1))
        elif op == "close":
            for task in self.tasks:
                task.cancel()
            await self.connection.close()
            emit("state", state="closed")
            return True
        else:
            emit("unsupported", op=op)
        return False


async def main():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peer = Peer()
    while text := await reader.readline():
        command = json.loads(text)
        try:
            if await peer.handle(command):
                return
        except Exception as e:  # whatever it is, the other side of the test should hear of it
            emit("error", message=f"{command['op']}: {e!r}")


asyncio.run(main())
