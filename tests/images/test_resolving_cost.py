"""A table of many files that are not there is listed in one look for each."""

import os

from latentmap.images.path_resolution import resolve_paths


def test_each_plain_name_costs_one_look(tmp_path, monkeypatch):
    probes: list[str] = []
    real = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: probes.append(path) or real(path))
    names = [f"pictures/{i}.png" for i in range(50)]
    assert resolve_paths(str(tmp_path), [*names], "table") == (names, {})
    assert len(probes) == len(names)
