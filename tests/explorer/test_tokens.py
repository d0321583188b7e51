"""Tokens stay with the user, and the command line of the browser holds none."""

import os
import re
import stat
import time
from pathlib import Path

import pytest

from latentmap.explorer import tokens
from latentmap.explorer.serving import opened_in_browser
from latentmap.explorer.tokens import launch_file, private_folder, run_token

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch) -> Path:
    for name in ("XDG_RUNTIME_DIR", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def test_a_run_keeps_its_token_and_another_run_has_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    token = run_token(first)
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
    assert run_token(first) == token
    assert run_token(tmp_path / "second" / ".." / "first") == token
    assert run_token(second) != token
    assert not first.exists()  # it is nowhere in the run


@posix
def test_nobody_else_can_read_it(tmp_path):
    run_token(tmp_path)
    folder = private_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("damage", ["readable", "empty", "text", "link", "folder", "long"])
def test_a_token_that_others_could_have_read_or_written_is_not_used_again(tmp_path, damage):
    token = run_token(tmp_path)
    (file,) = private_folder().iterdir()
    if damage == "readable":
        file.chmod(0o644)
    elif damage == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_text({"empty": "", "text": "no token", "long": token * 9}[damage])
    other = run_token(tmp_path)
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", other)
    assert other != token


@posix
def test_a_folder_that_others_can_look_into_is_shut(base):
    (base / "latentmap").mkdir(mode=0o755)
    private_folder()
    assert stat.S_IMODE((base / "latentmap").stat().st_mode) == 0o700


@posix
def test_without_a_folder_of_ones_own_each_start_has_a_token_of_its_own(base, tmp_path):
    (base / "latentmap").write_text("in the way")
    assert run_token(tmp_path) != run_token(tmp_path)
    with pytest.raises(OSError, match="latentmap"):
        launch_file("http://127.0.0.1:8765/#token=x")
    with opened_in_browser("http://127.0.0.1:8765/#token=x"):
        pass  # the address was printed


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a folder away, as only root can")
def test_a_folder_of_another_user_is_not_used(base, tmp_path, monkeypatch):
    """As under sudo, which leaves the variables of the user who called it."""
    os.chown(base, 65534, 65534)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    assert private_folder() == tmp_path / "own" / "latentmap"


def test_the_browser_is_opened_by_a_file_that_leads_to_the_address_and_goes(monkeypatch):
    given, in_an_hour = [], time.time() + 3600
    monkeypatch.setattr("webbrowser.open", given.append)
    monkeypatch.setattr(tokens.time, "time", lambda: in_an_hour)
    left = launch_file("http://old")  # an explorer that was killed an hour ago
    with opened_in_browser("http://127.0.0.1:8765/#token=se-cret&x=1"):
        end = time.monotonic() + 10
        while not given and time.monotonic() < end:
            time.sleep(0.02)
        (address,) = given
        assert address.startswith("file://")
        assert "se-cret" not in address
        (file,) = private_folder().glob("launch-*.html")
        text = file.read_text(encoding="utf-8")
        assert 'content="0; url=http://127.0.0.1:8765/#token=se-cret&amp;x=1"' in text
        assert "no-referrer" in text
        if os.name == "posix":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not left.exists()
    assert list(private_folder().iterdir()) == []
