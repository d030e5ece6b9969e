"""A STUN server (RFC 8489) that answers Binding requests on a loopback address, and no more."""
import asyncio
import ipaddress
import struct

COOKIE = 0x2112A442


def answer(request, source):
    """The response to a Binding request from `source`, or None if it is none."""
    if len(request) < 20:
        return None
    kind, length, cookie = struct.unpack_from("!HHI", request)
    if kind != 0x0001 or cookie != COOKIE or length != len(request) - 20:
        return None
    mask = request[4:20]
    address = ipaddress.ip_address(source[0]).packed
    xor = bytes(a ^ m for a, m in zip(address, mask))
    value = struct.pack("!BBH", 0, 1 if len(address) == 4 else 2, source[1] ^ COOKIE >> 16) + xor
    attribute = struct.pack("!HH", 0x0020, len(value)) + value
    return struct.pack("!HH", 0x0101, len(attribute)) + mask + attribute


class StunServer(asyncio.DatagramProtocol):
    """Serves while its block runs; `address` is where."""

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.transport.get_extra_info("sockname"))
        return self

    async def __aexit__(self, *_):
        self.transport.close()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        if response := answer(data, source):
            self.transport.sendto(response, source)
