"""Who may do what: every route with every kind of request, cookies, and the requests that proxies send."""

import re
from unittest.mock import MagicMock

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from explorer.conftest import HOST
from latentmap.core.errors import InputError
from latentmap.explorer import app as app_module
from latentmap.explorer.access import ROLE_KEY, TOKEN, Access
from latentmap.explorer.app import make_app
from latentmap.explorer.exposure import Exposure
from latentmap.explorer.forwarding import parse_base_path, parse_proxies
from latentmap.explorer.handlers import READING_POSTS, ROUTES

TOKENS = Access("w" * 32, "r" * 32, "latentmap-8765-abc")
OWN = {"Origin": f"http://{HOST}"}
COOKIE = "latentmap-8765-abc="


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"other=1; {COOKIE}{TOKENS.cookie_value(token)}"}


def header(token: str) -> dict[str, str]:
    return {TOKEN: token}


OPEN = {"needs_token": False}
READ_ONLY = {"is_read_only": True}
EVIL = {"Origin": "http://evil.example"}
CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
# What is answered to whom: the page itself, GET, questions by POST, and changes.
TABLE = {
    "no token": ({}, {}, (200, 401, 401, 401)),
    "no token, own origin": ({}, OWN, (200, 401, 401, 401)),
    "wrong token": ({}, header("x" * 32), (200, 401, 401, 401)),
    "empty token": ({}, header(""), (200, 401, 401, 401)),
    "wrong cookie": ({}, {"Cookie": COOKIE + "x"} | OWN, (200, 401, 401, 401)),
    "token as cookie": ({}, {"Cookie": COOKIE + TOKENS.token} | OWN, (200, 401, 401, 401)),
    "cookie of another port": (
        {},
        {"Cookie": cookie(TOKENS.token)["Cookie"].replace("8765", "8766")} | OWN,
        (200, 401, 401, 401),
    ),
    "wrong token, right cookie": ({}, header("x") | cookie(TOKENS.token) | OWN, (200, 401, 401, 401)),
    "reader": ({}, header(TOKENS.reader_token), (200, 200, 200, 403)),
    "reader by cookie": ({}, cookie(TOKENS.reader_token) | OWN, (200, 200, 200, 403)),
    "writer": ({}, header(TOKENS.token), (200, 200, 200, 200)),
    "writer by cookie": ({}, cookie(TOKENS.token) | OWN, (200, 200, 200, 200)),
    "writer by cookie, no origin": ({}, cookie(TOKENS.token), (200, 200, 403, 403)),
    "writer, foreign origin": ({}, header(TOKENS.token) | EVIL, (403, 403, 403, 403)),
    "writer by cookie, foreign origin": ({}, cookie(TOKENS.token) | EVIL, (403, 403, 403, 403)),
    "writer by cookie, origin null": ({}, cookie(TOKENS.token) | {"Origin": "null"}, (403, 403, 403, 403)),
    "writer by cookie, another port": (
        {},
        cookie(TOKENS.token) | {"Origin": "http://127.0.0.1:9"},
        (403, 403, 403, 403),
    ),
    "writer by cookie, cross-site": ({}, cookie(TOKENS.token) | CROSS, (403, 403, 403, 403)),
    "writer, foreign host": ({}, header(TOKENS.token) | {"Host": "evil.example"}, (403, 403, 403, 403)),
    "read-only, no token": (READ_ONLY, {}, (200, 401, 401, 401)),
    "read-only, writer": (READ_ONLY, header(TOKENS.token), (200, 200, 200, 403)),
    "read-only, writer by cookie": (READ_ONLY, cookie(TOKENS.token) | OWN, (200, 200, 200, 403)),
    "open": (OPEN, OWN, (200, 200, 200, 200)),
    "open, no origin": (OPEN, {}, (200, 200, 403, 403)),
    "open, wrong token": (OPEN, header("x") | OWN, (200, 200, 200, 200)),
    "open, foreign origin": (OPEN, EVIL, (403, 403, 403, 403)),
    "open, foreign host": (OPEN, OWN | {"Host": "evil.example"}, (403, 403, 403, 403)),
    "open, cross-site": (OPEN, CROSS, (403, 403, 403, 403)),
    "open and read-only": (OPEN | READ_ONLY, OWN, (200, 200, 200, 403)),
}


def access(**changed: bool) -> Access:
    return Access(TOKENS.token, TOKENS.reader_token, TOKENS.cookie, **changed)


@pytest.fixture
def guarded(monkeypatch):
    """Make clients of an explorer whose handlers answer nothing but that they were reached."""

    async def reached(request: Request) -> JSONResponse:
        return JSONResponse(
            {"role": int(request.scope[ROLE_KEY]), "client": request.client.host, "scheme": request.url.scheme}
        )

    routes = [
        Route(f"{one.path}/{{path:path}}" if isinstance(one, Mount) else one.path, reached, methods=_methods(one))
        for one in ROUTES
    ]
    monkeypatch.setattr(app_module, "ROUTES", routes)

    def client(hosts: tuple[str, ...] = (HOST,), access: Access = TOKENS, sender: str = "127.0.0.1", **options):
        app = make_app(MagicMock(token=access.token), list(hosts), access=access, **options)
        return TestClient(app, base_url=f"http://{HOST}", client=(sender, 50000))

    return client


def _methods(route) -> set[str]:
    return {"GET"} if isinstance(route, Mount) else route.methods - {"HEAD"}


def _kind(path: str, method: str) -> int:
    if method == "GET":
        return 0 if path == "/" or path.startswith("/assets") else 1
    return 2 if path in READING_POSTS else 3


REQUESTS = [(one.path, method) for one in ROUTES for method in sorted(_methods(one))]


@pytest.mark.parametrize("case", TABLE)
@pytest.mark.parametrize(("path", "method"), REQUESTS, ids=lambda value: value)
def test_every_route_is_answered_to_those_who_may_have_it(guarded, path, method, case):
    changed, sent, expected = TABLE[case]
    filled = re.sub(r"\{[^}]*\}", "1", path) + ("/1.js" if path == "/assets" else "")
    client = guarded(access=access(**changed))
    answer = client.request(method, filled, headers=sent)
    assert answer.status_code == expected[_kind(path, method)], answer.text
    if answer.status_code != 200:
        assert set(answer.json()) == {"error"}
        assert not {TOKENS.token, TOKENS.reader_token} & set(re.findall(r"[\w-]+", answer.text))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_methods_that_no_route_has_are_changes(guarded, method):
    assert guarded().request(method, "/api/run").status_code == 401
    assert guarded().request(method, "/api/run", headers=header(TOKENS.reader_token)).status_code == 403


def test_the_routes_that_readers_may_post_to_are_these():
    assert READING_POSTS == {"/session", "/api/select", "/api/similar", "/api/strip"}


# ---------------------------------------------------------------- sessions


@pytest.fixture
def real(server):
    def client(scheme: str = "http", **options) -> TestClient:
        return TestClient(make_app(server, [HOST], access=TOKENS, **options), base_url=f"{scheme}://{HOST}")

    return client


@pytest.mark.parametrize(("token", "role"), [(TOKENS.token, "writer"), (TOKENS.reader_token, "reader")])
def test_a_token_is_exchanged_for_a_cookie(real, token, role):
    client = real()
    answer = client.post("/session", headers=header(token))
    assert answer.json() == {"role": role}
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == TOKENS.cookie
    assert "HttpOnly" in rest
    assert "SameSite=strict" in rest
    assert "Path" not in rest  # the browser takes the folder of this address
    assert "Secure" not in rest
    assert token not in answer.headers["set-cookie"]
    assert client.get("/session").json() == {"role": role}
    assert client.get("/api/run").json()["canEdit"] is (role == "writer")
    posted = client.post("/api/selection", json={"ids": [1]}, headers=OWN)
    assert posted.status_code == (200 if role == "writer" else 403)


def test_a_cookie_is_secure_if_the_browser_speaks_tls(server, real):
    assert "Secure" in real("https").post("/session", headers=header(TOKENS.token)).headers["set-cookie"]
    proxied = TestClient(make_app(server, [HOST, "hub.example.org"], access=TOKENS), base_url=f"http://{HOST}")
    sent = header(TOKENS.token) | {"Origin": "https://hub.example.org"}
    assert "Secure" in proxied.post("/session", headers=sent).headers["set-cookie"]


def test_no_cookie_is_given_for_no_token(real, server):
    answer = real().post("/session", headers=header("wrong") | OWN)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    is_open = TestClient(make_app(server, [HOST], access=access(needs_token=False)), base_url=f"http://{HOST}")
    answer = is_open.post("/session", headers=OWN)
    assert (answer.json(), "set-cookie" in answer.headers) == ({"role": "writer"}, False)


def test_of_several_cookies_with_the_name_one_is_enough(guarded):
    right = TOKENS.cookie_value(TOKENS.token)
    for line in (f"{COOKIE}old; {COOKIE}{right}", f"{COOKIE}{right}; {COOKIE}old"):
        assert guarded().get("/api/run", headers={"Cookie": line}).json()["role"] == 2


# ---------------------------------------------------------------- proxies and addresses


@pytest.mark.parametrize("path", ["/maps/scans/api/run", "/api/run"])
def test_a_prefix_may_be_removed_or_not(guarded, path):
    client = guarded(base_path="/maps/scans")
    assert client.get(path).status_code == 401
    assert client.get(path, headers=header(TOKENS.token)).status_code == 200
    assert client.get(path.removesuffix("api/run")).status_code == 200
    assert client.get("/maps/scansapi/run", headers=header(TOKENS.token)).status_code == 404


def test_the_prefix_alone_leads_to_the_page_by_a_relative_address(guarded):
    answer = guarded(base_path="/maps/scans").get("/maps/scans", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "scans/")
    below = Starlette(routes=[Mount("/user/ada", make_app(MagicMock(token="t"), [HOST], base_path="/maps"))])
    assert TestClient(below, base_url=f"http://{HOST}").get("/user/ada/maps/").status_code == 200


def test_a_wrong_prefix_is_named_in_plain_words(guarded):
    answer = guarded().get("/maps/scans/")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("nothing is at /maps/scans/: ")
    assert "--base-path" in answer.json()["error"]


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "maps.example.org",
    "X-Forwarded-Prefix": "/maps/scans",
}


def test_forwarded_headers_of_a_named_proxy_are_used(guarded):
    hosts = (HOST, "maps.example.org")
    client = guarded(hosts, sender="10.0.0.1", proxies=parse_proxies(["10.0.0.0/8"]))
    sent = FORWARDED | header(TOKENS.token) | {"Origin": "https://maps.example.org"}
    answer = client.post("/maps/scans/api/selection", headers=sent)
    assert answer.json() == {"role": 2, "client": "203.0.113.9", "scheme": "https"}
    other = sent | {"X-Forwarded-Host": "evil.example"}
    assert client.get("/maps/scans/api/run", headers=other).status_code == 403
    mapped = guarded(hosts, sender="::ffff:10.0.0.1", proxies=parse_proxies(["10.0.0.1"]))
    assert mapped.get("/api/run", headers=sent).json()["client"] == "10.0.0.2"


@pytest.mark.parametrize("sender", ["10.0.0.1", "127.0.0.1", "::1", "testclient"])
def test_forwarded_headers_of_others_are_ignored(guarded, sender):
    client = guarded((HOST, "maps.example.org"), sender=sender, proxies=parse_proxies(["192.0.2.1", "2001:db8::/32"]))
    answer = client.get("/api/run", headers=FORWARDED | header(TOKENS.token))
    assert answer.json() == {"role": 2, "client": sender, "scheme": "http"}
    evil = FORWARDED | header(TOKENS.token) | {"Host": "evil.example", "X-Forwarded-Host": HOST}
    assert client.get("/api/run", headers=evil).status_code == 403
    assert client.get("/maps/scans/api/run", headers=FORWARDED | header(TOKENS.token)).status_code == 404


@pytest.mark.parametrize("bad", ["", "/a b", "//", "/../x", "?x", "/a\r\nSet-Cookie: x=1"])
def test_a_forwarded_prefix_that_is_no_path_is_ignored(guarded, bad):
    client = guarded(proxies=parse_proxies(["127.0.0.1"]))
    sent = [(b"X-Forwarded-Prefix", bad.encode()), (TOKEN.encode(), TOKENS.token.encode())]
    assert client.get("/api/run", headers=sent).status_code == 200


def test_addresses_are_hosts_only_where_other_machines_may_come_in(guarded):
    sent = header(TOKENS.token)
    for host in ("192.0.2.7:8765", "[2001:db8::1]:8765"):
        assert guarded().get("/api/run", headers=sent | {"Host": host}).status_code == 403
        far = guarded(takes_addresses=True)
        assert far.get("/api/run", headers=sent | {"Host": host}).status_code == 200
        own = sent | {"Host": host, "Origin": f"http://{host}"}
        assert far.post("/api/selection", headers=own).status_code == 200
        assert far.get("/api/run", headers=sent | {"Host": "evil.example"}).status_code == 403
        assert far.post("/api/selection", headers=own | {"Origin": "http://192.0.2.8:8765"}).status_code == 403


def test_base_paths_are_written_in_several_ways():
    assert {parse_base_path(text) for text in ("maps/scans", "/maps/scans", "/maps/scans/")} == {"/maps/scans"}
    assert parse_base_path("/") == parse_base_path("") == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_path": "https://hub.example.org/x"}, "--base-path 'https://hub.example.org/x': pass the path"),
        ({"base_path": "/a/../b"}, "--base-path"),
        ({"allow_hosts": ("https://hub.example.org/",)}, "without https:// and path"),
        ({"trust_proxies": ("nginx",)}, "--trust-proxy 'nginx': pass the address that the proxy connects from"),
        ({"port": 70000}, "--port 70000"),
        ({"tls_key": "key.pem"}, "pass the certificate of the key as well"),
    ],
)
def test_options_that_cannot_be_used_are_refused_with_a_sentence(options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        Exposure(**options)


def test_what_is_printed_says_who_can_come_in():
    alone = Exposure(base_path="/maps")
    assert list(alone.warnings(8765)) == []
    lines = list(alone.lines(8765, TOKENS))
    assert lines[0] == f"explorer  http://127.0.0.1:8765/maps/#token={TOKENS.token}"
    assert lines[1] == f"readers   http://127.0.0.1:8765/maps/#token={TOKENS.reader_token}  (they can change nothing)"
    wide = list(Exposure(host="0.0.0.0").warnings(8765))
    assert "everybody who can reach port 8765 of this machine on any of its networks" in wide[0]
    assert "without TLS" in wide[1]
    (local,) = Exposure(needs_token=False).warnings(8765)
    assert (
        local == "--no-token: every user and every program of this machine can see and change this run without a token"
    )
    shown = "\n".join(Exposure(read_only=True).lines(8765, TOKENS))
    assert "read only" in shown
    assert TOKENS.reader_token not in shown
    assert TOKENS.token not in "".join(Exposure(needs_token=False).lines(8765, TOKENS))
    assert next(Exposure(host="::1", tls_cert="c.pem").lines(8765, TOKENS)).startswith("explorer  https://[::1]:8765/#")
