"""Whose a connection is: only programs of this user on this machine read without the token."""

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers

from explorer.conftest import HOST
from latentmap.explorer import peer
from latentmap.explorer.connections import BoundedServer
from latentmap.explorer.guard import Guard
from latentmap.explorer.serving import hosts

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel of Linux")
PLAIN = {"host": HOST, "user-agent": "curl/8.5.0", "accept": "*/*"}


async def answer(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})


def serve(allowed: tuple[str, ...] = ()) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = BoundedServer(Guard(answer, hosts(port, allowed), "token"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield port
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from serve()


@pytest.fixture(scope="module")
def proxied() -> Iterator[int]:
    yield from serve(("hub.example.org",))


def ask(port: int, method: str = "GET", **headers: str) -> int:
    """The status that a plain client gets over a real connection."""
    lines = [f"{method} /api/run HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(client.recv(100).split()[1])


@linux
def test_a_program_of_this_user_reads_without_the_token(port):
    assert ask(port) == 200
    assert ask(port, "HEAD") == 200
    assert ask(port, User_Agent="Python-urllib/3.13", Accept_Encoding="identity") == 200


@linux
def test_a_program_that_reaches_it_through_a_socket_of_ipv6_is_known_as_well(port):
    with socket.socket(socket.AF_INET6) as client:
        try:
            client.connect(("::ffff:127.0.0.1", port))
        except OSError:
            pytest.skip("no IPv6 here")
        client.sendall(f"GET /api/run HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")


@linux
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_changes_nothing_without_the_token(port, method):
    assert ask(port, method) == 401


@linux
@pytest.mark.parametrize(
    "sent",
    [
        {"Referer": "http://127.0.0.1/"},
        {"Cookie": "a=b"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Dest": "image"},
        {"Accept_Language": "ko"},
        {"Forwarded": "for=10.0.0.1"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_Proto": "https"},
        {"X_Real_IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/60.0"},
        {"X_Latentmap_Token": "wrong"},
        {"X_Latentmap_Token": ""},
    ],
)
def test_what_a_browser_or_a_proxy_sends_needs_the_token(port, sent):
    assert ask(port, **sent) == 401


@linux
def test_where_a_proxy_is_allowed_every_request_needs_the_token(proxied):
    assert ask(proxied) == 401


@linux
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user, as only root can")
def test_another_user_needs_the_token(port):
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if ask(port) == 401 and ask(port, X_Latentmap_Token="token") == 200 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@linux
def test_what_forwards_requests_of_others_needs_the_token(port, monkeypatch):
    monkeypatch.setattr(peer, "_holder", lambda inode: "sshd-session")
    assert ask(port) == 401
    monkeypatch.setattr(peer, "_holder", lambda inode: None)  # as an sshd whose handles cannot be seen
    assert ask(port) == 401


@pytest.mark.parametrize("client", [None, ("testclient", 50000), ("10.0.0.1", 5000), ("::1", 5000), ("", 0)])
def test_what_is_no_loopback_connection_needs_the_token(client):
    scope = {"client": client, "server": ("127.0.0.1", 8765)}
    assert not peer.may_read(scope, Headers(PLAIN))


def test_on_another_system_the_token_is_needed(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    scope = {"client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8765)}
    assert not peer.may_read(scope, Headers(PLAIN))


def test_only_the_other_end_of_an_established_connection_counts(tmp_path):
    """0100007F:1F90 is 127.0.0.1:8080, 0100007F:223D is 127.0.0.1:8765."""
    if sys.byteorder != "little":
        pytest.skip("the lines below are of a machine that is little-endian")
    (tmp_path / "net").mkdir()
    lines = [
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
        "   0: 0100007F:223D 00000000:0000 0A 00000000:00000000 00:00000000 00000000   500 0 11",
        "   1: 0100007F:223D 0100007F:1F90 01 00000000:00000000 00:00000000 00000000   501 0 12",
        "   2: 0100007F:1F90 0100007F:223D 01 00000000:00000000 00:00000000 00000000   502 0 13",
        "   3: 0100007F:1F91 0100007F:223D 06 00000000:00000000 03:00000000 00000000     0 0 0",
    ]
    (tmp_path / "net" / "tcp").write_text("\n".join(lines))
    loopback = peer.ipaddress.IPv4Address("127.0.0.1")
    server = (loopback, 8765)
    assert peer.owner_of((loopback, 8080), server, tmp_path) == peer.Owner(502, "13")
    assert peer.owner_of((loopback, 8081), server, tmp_path) is None  # closed, and nobody's
    assert peer.owner_of((loopback, 9000), server, tmp_path) is None
