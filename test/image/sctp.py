"""SCTP (RFC 9260) by raw sockets, for machines whose kernel has none. `sctp.py serve PORT` accepts associations and answers the data of each with its host's name
and port; `sctp.py ask ADDRESS PORT` opens an association, sends data and prints the answer."""
import os
import random
import socket
import struct
import sys
import time

PROTOCOL = 132
DATA, INIT, INIT_ACK, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 0, 1, 2, 7, 8, 10, 11, 14
STATE_COOKIE = 7
ANSWER_WITHIN_SECONDS = 3


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def packet(source, destination, tag, kind, value=b'', flags=0):
    chunk = struct.pack('!BBH', kind, flags, 4 + len(value)) + value
    chunk += bytes(-len(chunk) % 4)
    head = struct.pack('!HHI', source, destination, tag)
    return head + struct.pack('<I', crc32c(head + bytes(4) + chunk)) + chunk


def parse(datagram):
    """IPv4 header and all; None for what is damaged. Ports, tag and the first chunk."""
    body = datagram[(datagram[0] & 15) * 4:]
    if len(body) < 16 or struct.unpack('<I', body[8:12])[0] != crc32c(body[:8] + bytes(4) + body[12:]):
        return None
    source, destination, tag = struct.unpack('!HHI', body[:8])
    kind, _, length = struct.unpack('!BBH', body[12:16])
    return source, destination, tag, kind, body[16:12 + length]


def init(tag, tsn, parameters=b''):
    return struct.pack('!IIHHI', tag, 65536, 1, 1, tsn) + parameters


def data(tsn, payload):
    return struct.pack('!IHHI', tsn, 0, 0, 0) + payload


def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL)


def serve(port, name):
    peers = {}
    server = raw()
    print('listens', flush=True)
    while True:
        datagram, (address, _) = server.recvfrom(65535)
        found = parse(datagram)
        if found is None or found[1] != port:
            continue
        source, _, _, kind, value = found
        key = (address, source)

        def reply(*chunk):
            server.sendto(packet(port, source, peers[key], *chunk), (address, 0))

        if kind == INIT:
            peers[key] = struct.unpack('!I', value[:4])[0]
            cookie = struct.pack('!HHI', STATE_COOKIE, 8, 42)
            reply(INIT_ACK, init(random.getrandbits(32) | 1, 1, cookie))
        elif key not in peers:
            continue
        elif kind == COOKIE_ECHO:
            reply(COOKIE_ACK)
        elif kind == DATA:
            reply(DATA, data(1, name.encode()), 3)
        elif kind == SHUTDOWN:
            reply(SHUTDOWN_ACK)


def ask(address, port):
    client, source, tag = raw(), random.randint(20000, 60000), random.getrandbits(32) | 1
    theirs = 0

    def exchange(kind, value, expected, flags=0):
        nonlocal theirs
        client.sendto(packet(source, port, theirs, kind, value, flags), (address, 0))
        until = time.monotonic() + ANSWER_WITHIN_SECONDS
        while time.monotonic() < until:
            client.settimeout(max(until - time.monotonic(), 0.01))
            datagram, (sender, _) = client.recvfrom(65535)
            found = parse(datagram)
            if found is not None and sender == address and found[:3] == (port, source, tag) and found[3] == expected:
                return found[4]
        raise TimeoutError

    answer = exchange(INIT, init(tag, 1), INIT_ACK)
    theirs = struct.unpack('!I', answer[:4])[0]
    cookie = answer[16 + 4:16 + 8]
    exchange(COOKIE_ECHO, cookie, COOKIE_ACK)
    print(exchange(DATA, data(1, b'hello'), DATA, 3)[12:].decode())


try:
    if sys.argv[1] == 'serve':
        serve(int(sys.argv[2]), sys.argv[3])
    else:
        ask(sys.argv[2], int(sys.argv[3]))
except (TimeoutError, socket.timeout):
    sys.exit('no answer')
