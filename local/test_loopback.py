"""Nothing of the local stack listens on another interface than loopback.

Beside a running stack: ringback-local exec -- python -m unittest local.test_loopback
"""

import ipaddress
import os
import socket
import subprocess
import unittest

import psutil


def listening(process: psutil.Process) -> dict[tuple[str, int], list[str]]:
    """Where a process and its descendants listen, TCP and UDP, each with the command line that does."""
    found = {}
    for each in [process, *process.children(recursive=True)]:
        for connection in each.net_connections("inet"):
            is_udp = connection.type == socket.SOCK_DGRAM and not connection.raddr
            if is_udp or connection.status == psutil.CONN_LISTEN:
                found[connection.laddr.ip, connection.laddr.port] = each.cmdline()
    return found


def is_loopback(ip: str) -> bool:
    """Whether only this machine reaches an address."""
    address = ipaddress.ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class Loopback(unittest.TestCase):
    """What the processes of the stack listen on."""

    @unittest.skipUnless("RINGBACK_STACK_PID" in os.environ, "no local stack is running")
    def test_nothing_listens_on_another_interface(self) -> None:
        found = listening(psutil.Process(int(os.environ["RINGBACK_STACK_PID"])))
        ports = {port for _, port in found}
        for name in ("CALLBACK_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "PHONES_URL"):
            self.assertIn(
                int(os.environ[name].split(":")[2].split("/")[0]), ports, f"{name} is not among {found}"
            )
        self.assertEqual({each: command for each, command in found.items() if not is_loopback(each[0])}, {})

    def test_a_child_that_listens_is_found(self) -> None:
        for kind, address, loopback in [
            (socket.SOCK_STREAM, "0.0.0.0", False),
            (socket.SOCK_STREAM, "::", False),
            (socket.SOCK_STREAM, "127.0.0.1", True),
            (socket.SOCK_STREAM, "::ffff:127.0.0.1", True),
            (socket.SOCK_DGRAM, "0.0.0.0", False),
            (socket.SOCK_DGRAM, "::", False),
        ]:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with self.subTest(kind=kind, address=address), socket.socket(family, kind) as listener:
                listener.bind((address, 0))
                port = listener.getsockname()[1]
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                # From here on only the child has it open.
                child = subprocess.Popen(["sleep", "60"], pass_fds=[listener.fileno()])
                listener.close()
                found = listening(psutil.Process())
                child.kill()
                child.wait()
                self.assertEqual([is_loopback(ip) for ip, each in found if each == port], [loopback])
