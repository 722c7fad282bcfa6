"""Octavia's agent. The log daemon to which gunicorn insists to speak is a thread that throws away: unread, the socket would fill and hold up every request."""
import os
import runpy
import socket
import sys
import threading

PATH = '/run/rsyslog/octavia/log'
os.makedirs(os.path.dirname(PATH), exist_ok=True)
if os.path.exists(PATH):
    os.unlink(PATH)
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(PATH)


def discard():
    while True:
        log.recv(65536)


threading.Thread(target=discard, daemon=True).start()

# By that name it finds its configuration when another one is uploaded.
sys.argv[0] = '/usr/bin/amphora-agent'
runpy.run_path(sys.argv[0], run_name='__main__')
