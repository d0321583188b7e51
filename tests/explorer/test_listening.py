"""Interfaces, certificates, and what the command prints about them."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from latentmap.core.errors import InputError
from latentmap.explorer.listening import listen
from latentmap.explorer.tls import tls_context

SOURCES = str(Path(__file__).parents[2] / "src")
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "latentmap", "explore", *map(str, arguments), "--no-browser", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": SOURCES}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process: "subprocess.Popen[str]") -> dict[str, str]:
    """The addresses that were printed, by the word before them."""
    found = {}
    assert process.stdout is not None
    while (line := process.stdout.readline()) and "Ctrl-C" not in line:
        word, address = line.split()[:2]
        found[word] = address
    return found


def ask(address: str, token: str = "", **options: object) -> int:
    request = urllib.request.Request(address, headers={"X-Latentmap-Token": token} if token else {})
    try:
        return urllib.request.urlopen(request, timeout=20, **options).status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def certificate(tmp_path) -> tuple[Path, Path]:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@openssl
def test_it_speaks_tls_with_the_given_files(copied, certificate):
    cert, key = certificate
    process = start(copied, "--tls-cert", cert, "--tls-key", key)
    base, _, token = lines_of(process)["explorer"].partition("#token=")
    trusted = ssl.create_default_context(cafile=cert)
    assert base.startswith("https://127.0.0.1:")
    assert ask(f"{base}api/run", token, context=trusted) == 200
    assert ask(f"{base}api/run", context=trusted) == 401
    with socket.create_connection(("127.0.0.1", int(base.split(":")[2].strip("/")))) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
        plain.recv(100)
    assert ask(f"{base}api/run", token, context=trusted) == 200
    process.terminate()
    assert process.communicate(timeout=20)[1] == ""


@openssl
def test_certificates_that_cannot_be_used_are_refused_with_a_sentence(tmp_path, certificate):
    cert, key = certificate
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genrsa", "-out", other, "2048"], check=True, capture_output=True)
    secret = tmp_path / "secret.pem"
    locked = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x1y2", "-out", secret]
    subprocess.run(locked, check=True, capture_output=True)
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    assert isinstance(tls_context(both, None), ssl.SSLContext)
    for given, sentence in [
        ((tmp_path / "no.pem", key), "--tls-cert .*no.pem: cannot be read: No such file"),
        ((key, key), "not a PEM file with a certificate"),
        ((cert, None), "pass the file of the key with --tls-key"),
        ((cert, cert), "--tls-key .*: not a PEM file with a private key"),
        ((cert, other), "the key of another certificate"),
        ((cert, secret), "the key is encrypted"),
        ((damaged, key), "damaged"),
        ((tmp_path, key), "cannot be read"),
    ]:
        with pytest.raises(InputError, match=sentence):
            tls_context(*given)


def test_readers_have_a_token_and_new_tokens_replace_the_old(copied):
    process = start(copied)
    first = lines_of(process)
    base, _, reader = first["readers"].partition("#token=")
    assert ask(f"{base}api/run", reader) == 200
    process.terminate()
    process.wait(20)
    process = start(copied, "--new-token")
    second = lines_of(process)
    for word in ("explorer", "readers"):
        base, _, token = second[word].partition("#token=")
        assert ask(f"{base}api/run", token) == 200
        assert ask(f"{base}api/run", first[word].partition("#token=")[2]) == 401
    command = Path(f"/proc/{process.pid}/cmdline")
    if command.exists():
        assert second["explorer"].partition("#token=")[2] not in command.read_text()
    process.terminate()
    process.wait(20)


def test_an_open_explorer_warns_and_a_read_only_one_changes_nothing(copied):
    before = sorted(file.relative_to(copied) for file in copied.rglob("*"))
    process = start(copied, "--no-token", "--read-only", "--host", "0.0.0.0")
    found = lines_of(process)
    assert "#" not in found["explorer"] + found["network"]
    assert "readers" not in found
    base = found["explorer"]
    assert ask(f"{base}api/run") == 200
    post = urllib.request.Request(f"{base}api/spread", b"{}", {"Origin": base.rstrip("/")})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(post)
    process.terminate()
    warned = process.communicate(timeout=20)[1]
    assert "everybody who can reach port" in warned
    assert "can see this run without a token" in warned
    assert sorted(file.relative_to(copied) for file in copied.rglob("*")) == before


@pytest.mark.parametrize("host", ["::1", "::"])
def test_it_listens_by_ipv6(host):
    try:
        found = listen(0, host)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with found:
        assert found.family == socket.AF_INET6
        socket.create_connection(("::1", found.getsockname()[1]), 5).close()
        if host == "::":
            socket.create_connection(("127.0.0.1", found.getsockname()[1]), 5).close()


def test_hosts_that_are_not_this_machine_are_refused_with_a_sentence():
    with pytest.raises(InputError, match=re.escape("no interface of this machine has the address 192.0.2.1")):
        listen(0, "192.0.2.1")
    with pytest.raises(InputError, match="no such name"):
        listen(0, "no-such-host.invalid")
