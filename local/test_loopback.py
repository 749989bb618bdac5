"""Nothing of the local stack listens on another interface than loopback.

Run beside a stack: python -m local exec -- python -m unittest local.test_loopback
"""

import ipaddress
import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path

PROC = Path("/proc")
# TCP's LISTEN, and UDP's only state without a peer.
LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


def listening(root: int) -> dict[str, str]:
    """The addresses that a process and its descendants listen on, each with the command line that does."""
    sockets = {
        f"socket:[{inode}]": f"{protocol} {_address(local)}"
        for protocol, state in LISTENING.items()
        for _, local, _, found, *_, inode in (line[:10] for line in _table(protocol))
        if found == state
    }
    addresses = {}
    for process in _tree(root):
        command = (PROC / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for descriptor in (PROC / str(process) / "fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except FileNotFoundError:
                continue
            if target in sockets:
                addresses[sockets[target]] = command
    return addresses


def _table(protocol: str) -> list[list[str]]:
    return [line.split() for line in (PROC / "net" / protocol).read_text().splitlines()[1:]]


def _address(text: str) -> str:
    """`0100007F:1F90` is 127.0.0.1 8080: each 32 bits are in the machine's own order."""
    address, port = text.split(":")
    words = (
        int(address[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(address), 8)
    )
    return f"{ipaddress.ip_address(b''.join(words))} {int(port, 16)}"


def _tree(root: int) -> set[int]:
    parents = {
        int(path.parent.name): int(path.read_text().rpartition(")")[2].split()[1]) for path in _stats()
    }
    tree = {root}
    while more := {process for process, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return tree


def _stats() -> list[Path]:
    return [path for path in PROC.glob("[0-9]*/stat") if path.exists()]


def is_loopback(listener: str) -> bool:
    """Whether only this machine reaches it."""
    address = ipaddress.ip_address(listener.split()[1])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@unittest.skipUnless(PROC.is_dir(), "only Linux says in /proc who listens")
class Loopback(unittest.TestCase):
    """What the processes of the stack listen on."""

    @unittest.skipUnless("RINGBACK_STACK_PID" in os.environ, "no local stack is running")
    def test_nothing_listens_on_another_interface(self) -> None:
        found = listening(int(os.environ["RINGBACK_STACK_PID"]))
        ports = {int(listener.split()[2]) for listener in found}
        for name in ("CALLBACK_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"):
            self.assertIn(
                int(os.environ[name].split(":")[2].split("/")[0]), ports, f"{name} is not among {found}"
            )
        self.assertEqual({each: command for each, command in found.items() if not is_loopback(each)}, {})

    def test_a_listener_of_a_child_on_every_interface_is_found(self) -> None:
        for family, kind, name, address in [
            (socket.AF_INET, socket.SOCK_STREAM, "tcp", "0.0.0.0"),
            (socket.AF_INET, socket.SOCK_DGRAM, "udp", "0.0.0.0"),
            (socket.AF_INET6, socket.SOCK_STREAM, "tcp6", "::"),
            (socket.AF_INET6, socket.SOCK_DGRAM, "udp6", "::"),
            (socket.AF_INET, socket.SOCK_STREAM, "tcp", "127.0.0.1"),
            (socket.AF_INET6, socket.SOCK_STREAM, "tcp6", "::ffff:127.0.0.1"),
        ]:
            # The socket is closed here and open in the child alone. It is bound to a port only for this moment.
            with self.subTest(name=name, address=address), socket.socket(family, kind) as listener:
                listener.bind((address, 0))
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                port = listener.getsockname()[1]
                listener.set_inheritable(True)
                child = subprocess.Popen(["sleep", "60"], close_fds=False)
                listener.close()
                found = [each for each in listening(os.getpid()) if each.split()[2] == str(port)]
                child.kill()
                child.wait()
                self.assertEqual([each.split()[0] for each in found], [name])
                self.assertEqual(is_loopback(found[0]), "127" in address)
