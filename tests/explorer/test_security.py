"""Who is answered, what is refused, and that nothing outside the run is ever read."""

import json
import re
import string
from unittest.mock import MagicMock
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from explorer.conftest import HOST, HOSTILE
from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.listening import hosts
from latentmap.explorer.one_file import one_file_parts
from latentmap.explorer.run_facts import facts_with_edits
from latentmap.run.edits import EDITS_FILE

READS = [
    *("/", "/api/run", "/api/points", "/api/edits", "/api/images/1", "/api/learn/sweep"),
    *("/api/images/1/neighbors", "/api/images/1/distances", "/api/reweighted", "/api/reweighted/map"),
    "/api/compared/0",
]
WRITES = [
    "/api/edits",
    "/api/spread",
    "/api/selection",
    "/api/export",
    "/api/strip",
    "/api/select",
    "/api/similar",
    "/api/learn/sweep",
    "/api/reweighted",
]
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", READS + WRITES)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "127.0.0.1:8765@evil.example",
        "127.0.0.2:8765",
        "127.0.0.1:x",
        "localhost.:8765",
        "localhost:8765.evil.example",
        "",
        "0.0.0.0:8765",
    ],
)
def test_a_foreign_host_is_refused(client, path, host):
    for method in ("GET", "POST"):
        answer = client.request(method, path, headers={"Host": host})
        assert answer.status_code == 403
        assert "Host" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:9000"])
def test_the_names_of_this_machine_are_answered_by_any_port(client, host):
    """A tunnel has another port, and a browser leaves port 80 out."""
    assert client.get("/", headers={"Host": host}).status_code == 200
    own = {"Host": host, "Origin": f"http://{host}"}
    assert client.post("/api/selection", json={"ids": []}, headers=own).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8765",
        "http://127.0.0.1:9999",
        "http://localhost",
        "file://",
        "127.0.0.1:8765",
        "http://localhost:8765",
        "http://127.0.0.1",
        "http://127.0.0.1:8765.evil.example",
    ],
)
def test_a_foreign_origin_is_refused_even_with_the_token(client, copied, origin):
    edit = {"revision": 0, "edit": {"kind": "name", "group": 0, "name": "x"}}
    assert client.post("/api/edits", json=edit, headers={"Origin": origin}).status_code == 403
    assert client.get("/api/points", headers={"Origin": origin}).status_code == 403
    assert not (copied / EDITS_FILE).exists()
    assert client.post("/api/edits", json=edit, headers={"Origin": f"http://{HOST}"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_another_site_leads_to_the_page_and_to_nothing_else(client, site):
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "document")):
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        for path in [*READS, "/page.html", "/assets/x.js", "/api/learn/kmeans", "/api/interpolation?a=0&b=1"]:
            followed = path == "/" and mode == "navigate"
            assert client.get(path, headers=sent).status_code == (200 if followed else 403), (path, mode)
        assert client.post("/", headers=sent).status_code == 403


@pytest.mark.parametrize("route", [f"{path}{query}" for path in READS[1:] for query in ("", "?token={token}")])
@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_reading_needs_the_token(server, route, token):
    stranger = TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}")
    headers = {} if token is None else {TOKEN: token.encode()}
    path = route.format(token=server.token)  # an address can leak: it is no way to read
    for path_ in (path, "/page.html", "/assets"):
        for method in ("GET", "HEAD"):
            answer = stranger.request(method, path_, headers=headers)
            assert answer.status_code == 401
            assert method == "HEAD" or "token after its #" in answer.json()["error"]
    assert stranger.get("/").status_code == 200
    assert stranger.get("/api/run", headers={TOKEN: server.token}).status_code == 200


def test_a_host_that_was_allowed_is_answered_with_its_origin_whatever_the_proxy_makes_of_the_host(server):
    app = make_app(server, hosts(8765, ["hub.example.org"]))
    token = {TOKEN: server.token}
    client = TestClient(app, base_url=f"http://{HOST}", headers=token)
    for host in ("hub.example.org", "hub.example.org:8443", "127.0.0.1:8765"):
        own = f"https://{host}" if host.startswith("hub") else f"http://{host}"
        for origin in ("https://hub.example.org", "http://hub.example.org", own):
            sent = {"Host": host, "Origin": origin}
            assert client.post("/api/selection", json={"ids": []}, headers=sent).status_code == 200
        for origin in ("https://evil.example", "https://hub.example.org:9000", "https://x.hub.example.org"):
            answer = client.get("/api/run", headers={"Host": host, "Origin": origin})
            assert answer.status_code == 403
            assert f"--allow-host {origin.removeprefix('https://')}" in answer.json()["error"]
    assert client.get("/", headers={"Host": "x.hub.example.org"}).status_code == 403


def test_a_port_that_the_browser_shows_is_part_of_the_allowed_host(server):
    app = make_app(server, hosts(8765, ["hub.example.org:8000"]))
    client = TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: server.token})
    for origin, status in (("http://hub.example.org:8000", 200), ("http://hub.example.org:9000", 403)):
        assert client.post("/api/selection", json={"ids": []}, headers={"Origin": origin}).status_code == status


def test_the_explorer_works_below_a_prefix(server):
    outer = Starlette(routes=[Mount("/user/ada/proxy/8765", make_app(server, [HOST]))])
    client = TestClient(outer, base_url=f"http://{HOST}/user/ada/proxy/8765/")
    page = client.get("").text
    script = re.search(r'src="([^"]+)"', page)[1]
    assert not script.startswith("/")
    assert client.get(script).status_code == 200
    assert client.get("api/run").status_code == 401
    assert client.get("api/run", headers={TOKEN: server.token}).json()["n"] == 240
    assert client.get("page.html", headers={TOKEN: server.token}).status_code == 200
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("", headers=foreign).status_code == 200
    assert client.get("page.html", headers=foreign).status_code == 403


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_writing_needs_the_token(server, copied, path, token):
    app = make_app(server, [HOST])
    stranger = TestClient(app, base_url=f"http://{HOST}")
    headers = {} if token is None else {TOKEN: token.encode()}
    before = sorted(file.relative_to(copied) for file in copied.rglob("*"))
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = stranger.request(method, path, headers=headers, json={"revision": 0, "edit": {"kind": "undo"}})
        assert answer.status_code == 401
    assert (
        stranger.post(f"{path}?token={server.token}").status_code == 401
    )  # an address can leak: it is no way to write
    assert sorted(file.relative_to(copied) for file in copied.rglob("*")) == before


def test_every_answer_has_a_strict_policy(client):
    for path in (*READS, "/nothing", "/api/pages/99", "/assets/nothing.js"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_the_page_loads_nothing_from_elsewhere():
    for file in [STATIC / "index.html", *(STATIC / "assets").iterdir()]:
        text = file.read_text(encoding="utf-8")
        outside = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}  # SVG's name, not an address
        assert not {one for one in outside if "github" not in one}, file


TRAVERSALS = [
    *("../run.json", "..%2frun.json", "%2e%2e/run.json", "....//run.json", "..\\run.json", "%00", "/etc/passwd"),
    *("..%252f..%252fetc%252fpasswd", "%2fetc%2fpasswd", "assets/../../server.py", "..;/run.json", "\u2025/run.json"),
]


@pytest.mark.parametrize("base", ["/", "/assets/", "/api/columns/", "/api/pages/", "/api/images/", "/api/learn/sweep/"])
@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(client, base, path):
    # as bytes, since a client would tidy it up
    answer = client.request("GET", f"http://{HOST}{base}" + quote(path, safe="%/.\\;"))
    assert answer.status_code in (400, 404, 405)
    assert b"root:" not in answer.content
    assert b"format_version" not in answer.content


@pytest.mark.parametrize("base", ["/assets/", "/api/columns/", "/api/pages/", "/api/images/"])
@SETTINGS
@given(path=st.text(st.characters(codec="utf-8"), max_size=30))
def test_no_text_leads_out(client, base, path):
    answer = client.get(base + quote(path, safe="/."))
    assert answer.status_code in (200, 400, 403, 404, 405)
    assert b"format_version" not in answer.content


def test_bodies_that_are_too_large_or_no_json_are_refused(client, copied):
    assert client.post("/api/similar", content=b"0" * (2**25 + 1)).status_code == 413
    sent = {"Content-Type": "application/json"}
    assert client.post("/api/edits", content=b'{"a":"' + b"x" * 2**25 + b'"}', headers=sent).status_code == 413
    for body in (
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"NaN",
        b'{"revision": NaN}',
        b"[" * 60_000,
        b'{"a":1}garbage',
    ):
        answer = client.post("/api/edits", content=body, headers=sent)
        assert answer.status_code == 400, body[:20]
        assert "error" in answer.json()
    assert client.post("/api/edits", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert not (copied / EDITS_FILE).exists()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(string.ascii_letters, max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    ["edit", "revision", "kind", "ids", "places", "format", "group", "name", "label", "mark", "on"]
)


@pytest.mark.parametrize("path", ["/api/edits", "/api/selection", "/api/export", "/api/strip", "/api/spread"])
@SETTINGS
@given(body=st.dictionaries(FIELDS, anything, max_size=5))
def test_no_body_makes_the_server_fail(client, path, body):
    sent = {"Content-Type": "application/json"}
    text = json.dumps(body, allow_nan=False, default=str) if _is_plain(body) else json.dumps(body)
    answer = client.post(path, content=text.encode("utf-8", "surrogatepass"), headers=sent)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error"}


def _routes() -> list:
    """Every route there is, so that none is forgotten here."""
    return make_app(MagicMock(token="token"), [HOST]).routes


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


QUERIES = {
    "/api/images/{x}": None,
    "/api/images/{x}/facts": None,
    "/api/images/{x}/neighbors": "n",
    "/api/images/{x}/distances": "weights",
    "/api/groups/{x}/words": None,
    "/api/images/{x}/reconstruction": None,
    "/api/pages/{x}": None,
    "/api/learn/sweep/{x}": None,
    "/api/decode": "x",
    "/api/interpolation": "a",
    "/api/search": "q",
    "/api/learn/kmeans": "k",
    "/api/reweighted": "weights",
    "/api/reweighted/map": "weights",
    "/api/compared/{x}": "v",
}
odd = st.integers().map(str) | st.floats().map(str) | st.text(st.characters(codec="utf-8"), max_size=12)


@pytest.mark.parametrize("route", QUERIES)
@SETTINGS
@given(x=odd, value=odd)
def test_no_question_makes_the_server_fail(client, route, x, value):
    name = QUERIES[route]
    query = {} if name is None else {name: value, "y": value, "b": x, "seed": x}
    answer = client.get(route.format(x=quote(x, safe="")), params=query)
    assert answer.status_code < 500, answer.text


PARAMETERS = ["n", "q", "x", "y", "a", "b", "steps", "k", "seed", "on", "v", "weights"]
ROUTES = [route for route in _routes() if not route.path.startswith("/assets")]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)[-1]} {route.path}")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    query=st.dictionaries(st.sampled_from(PARAMETERS), odd),
    body=st.binary(max_size=60)
    | st.dictionaries(FIELDS, anything, max_size=4).map(lambda body: json.dumps(body).encode()),
    ranges=st.sampled_from(["", "bytes=0-3", "bytes=-1", "bytes=99999999999-", "bytes=a-b", "=-"]),
)
def test_every_route_holds_whatever_comes(client, monkeypatch, route, data, query, body, ranges):
    monkeypatch.setattr("latentmap.explorer.jobs.LessonJobs.start", lambda *_: None)  # minutes of work
    path = re.sub(r"\{\w+(:path)?\}", lambda _: quote(data.draw(odd), safe=""), route.path)
    method = data.draw(st.sampled_from([*sorted(route.methods), "PUT", "OPTIONS"]))
    sent = {"Content-Type": "application/json"} | ({"Range": ranges} if ranges else {})
    answer = client.request(method, path, params=query, content=body, headers=sent)
    assert answer.status_code < 500, answer.text


def test_html_in_names_is_text_in_the_saved_page(server):
    opened = server.opened
    data = opened.data
    label = "</script><script>alert(1)</script>"
    data.journal.add({"kind": "label", "ids": [1], "label": label}, 0)
    page = b"".join(one_file_parts(data, facts_with_edits(data, opened.facts), STATIC)).decode()
    assert HOSTILE not in page
    inside = re.search(r'id="embedded">(.*?)</script>', page, re.S)[1]  # as a browser would end it
    assert json.loads(inside)["run"]["edits"]["labels"] == [label]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
