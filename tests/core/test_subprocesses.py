"""Child processes run this copy of the package, and no file of the working folder."""

import subprocess

import latentmap
from latentmap.core.subprocesses import python_command, python_environment


def run(folder, code, **variables):
    command = python_command("-c", code)
    environment = python_environment(**variables)
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_child_imports_the_same_package(tmp_path):
    (tmp_path / "latentmap.py").write_text("raise SystemExit(1)")
    assert run(tmp_path, "import latentmap; print(latentmap.__file__)") == latentmap.__file__


def test_a_file_of_the_working_folder_replaces_no_module(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(1)")
    assert run(tmp_path, "import json; print(json.loads('[1]'))") == "[1]"


def test_folders_of_pythonpath_stay(tmp_path, monkeypatch):
    (tmp_path / "module_of_the_user.py").write_text("VALUE = 5")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run("/", "import module_of_the_user as module; print(module.VALUE)") == "5"


def test_variables_replace_those_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTMAP_TEST", "old")
    monkeypatch.setenv("LATENTMAP_OTHER", "kept")
    code = "import os; print(os.environ['LATENTMAP_TEST'], os.environ['LATENTMAP_OTHER'])"
    assert run(tmp_path, code, LATENTMAP_TEST="new") == "new kept"
