"""Runs the binary of an otherwise empty root directory as deploy/static.sh says. Meant to run in namespaces of its own."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time

NOBODY = 65534
NODE = "127.0.0.9"
VERSION_QUERY = b"SELECT release_version FROM system.local"


def answer_names():
    """A DNS server that knows one name, node.example."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12)
        question = query[12 : end + 5]
        known = question == b"\4node\7example\0" + struct.pack(">HH", 1, 1)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(NODE)
        counts = struct.pack(">HHHH", 1, known, 0, 0)
        server.sendto(query[:2] + b"\x81\x80" + counts + question + (record if known else b""), client)


def run(root, *arguments):
    """The binary as nobody, in that root, which it cannot write to."""

    def enter():
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    return subprocess.Popen(["/ilium", *arguments], preexec_fn=enter, env={}, stdin=subprocess.DEVNULL)


def ask(address, port):
    """The answer to a query in protocol version 4, once something listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            link = socket.create_connection((address, port), timeout=10)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                sys.exit(f"nothing answers on {address}:{port}")
            time.sleep(0.01)

    def call(opcode, body):
        link.sendall(struct.pack(">BBhBI", 4, 0, 0, opcode, len(body)) + body)
        head = link.recv(9, socket.MSG_WAITALL)
        answered, length = struct.unpack(">BI", head[4:])
        return answered, link.recv(length, socket.MSG_WAITALL)

    startup = struct.pack(">H", 1) + b"\0\x0bCQL_VERSION\0\x053.0.0"
    opcode, _ = call(1, startup)
    assert opcode == 2, f"STARTUP was answered by {opcode}"
    query = struct.pack(">I", len(VERSION_QUERY)) + VERSION_QUERY + struct.pack(">HB", 1, 0)
    opcode, rows = call(7, query)
    assert opcode == 8 and b"release_version" in rows, f"the query was answered by {opcode}: {rows!r}"


def end(process, name):
    process.terminate()
    status = process.wait(timeout=60)
    assert status == 0, f"{name} ended with {status}"


def main(root):
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro,nosuid,nodev", root], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    threading.Thread(target=answer_names, daemon=True).start()

    node = run(root, "up", "--in-memory", f"--cql={NODE}:9042", f"--http={NODE}:8080")
    ask(NODE, 9042)
    with open(f"/proc/{node.pid}/status") as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert fields["Uid"].split() == [str(NOBODY)] * 4 and int(fields["CapEff"], 16) == 0, fields
    print("ilium up: answers CQL as nobody on a read-only root", flush=True)
    # The one that asks for a name by itself: node.example is what only the DNS server above knows.
    gateway = run(
        root, "gateway", "--contact-points=node.example:9042", "--cql=127.0.0.1:9042", "--http=127.0.0.1:8080"
    )
    ask("127.0.0.1", 9042)
    print("ilium gateway: finds its contact point by DNS, and answers CQL", flush=True)
    end(gateway, "ilium gateway")
    end(node, "ilium up")


main(sys.argv[1])
