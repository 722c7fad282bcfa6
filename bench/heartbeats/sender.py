"""Plays all amphorae: sends the packets of a file (`packets.ts`) in their order to a port of loopback, so many a second. In Python, where 9 000 a second take 15 % of a core;
Node takes 38 % for them, which who is measured has not then. On standard output `ready`, then how many were sent; it begins with a line on standard input."""
import socket
import struct
import sys
import time

TICK_SECONDS = 0.001
SEND_BUFFER_BYTES = 4 * 1024 * 1024

path, port, per_second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, "rb") as file:
    content = memoryview(file.read())
packets = []
at = 0
while at < len(content):
    (length,) = struct.unpack_from(">H", content, at)
    packets.append(content[at + 2 : at + 2 + length])
    at += 2 + length
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
sender.connect(("127.0.0.1", port))
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
sent = 0
while sent < len(packets):
    due = min(len(packets), int((time.monotonic() - began) * per_second))
    for packet in packets[sent:due]:
        sender.send(packet)
    sent = max(sent, due)
    time.sleep(TICK_SECONDS)
print(sent, flush=True)
