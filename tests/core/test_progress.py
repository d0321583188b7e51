"""Progress is shown on stderr: a bar on a terminal, lines in a log, nothing when quiet."""

import pytest

from latentmap.core import progress
from latentmap.core.progress import Progress, show_progress


def test_a_log_gets_plain_lines_and_always_the_last(capsys):
    with show_progress("training") as callback:
        for done in range(1, 101):
            callback(Progress(done, 100, {"loss": 1 / done}))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "training: 100/100  loss 0.01  0 s left\n"


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with show_progress("training") as callback:
        for done in (1, 2, 3):
            callback(Progress(done, 3))
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress("training") as callback:
        callback(Progress(1, 2, {"loss": 0.25}))
        callback(Progress(2, 2, {"loss": 0.125}))
    assert "100%" in (text := capsys.readouterr().err)
    assert "loss 0.125" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_shows_nothing(terminal, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with show_progress("training", quiet=True) as callback:
        callback(Progress(1, 1))
    assert capsys.readouterr() == ("", "")
