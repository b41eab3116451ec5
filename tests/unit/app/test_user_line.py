from __future__ import annotations

import json
from pathlib import Path

import pytest

from sabot.app.user_line import user_line


def failure_of(source: str, file: Path) -> BaseException:
    file.write_text(source)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the source raises
        exec(compile(source, str(file), "exec"), {})
    return caught.value


def test_the_line_is_the_innermost_one_of_the_users_files(tmp_path: Path) -> None:
    source = "def inner():\n    return {}['id']\n\ninner()\n"
    line = user_line(failure_of(source, tmp_path / "mine.py"))
    assert line is not None
    assert (Path(line.file).name, line.number, line.source) == ("mine.py", 2, "return {}['id']")


def test_a_call_into_the_standard_library_is_shown_where_the_user_made_it(tmp_path: Path) -> None:
    line = user_line(failure_of("import json\njson.loads('{')\n", tmp_path / "mine.py"))
    assert line is not None
    assert line.source == "json.loads('{')"


def test_a_call_into_sabot_is_shown_where_the_user_made_it(tmp_path: Path) -> None:
    source = "from sabot import Stream\nStream.from_pylist([{}]).filter(5)\n"
    line = user_line(failure_of(source, tmp_path / "mine.py"))
    assert line is not None
    assert line.source == "Stream.from_pylist([{}]).filter(5)"


def test_a_syntax_error_is_its_own_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\nif x\n")
    with pytest.raises(SyntaxError) as caught:
        compile(file.read_text(), str(file), "exec")
    line = user_line(caught.value)
    assert line is not None
    assert (line.number, line.source) == (2, "if x")


def test_installed_code_alone_shows_its_own_innermost_line() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    own = caught.value.__traceback__
    assert own is not None
    caught.value.__traceback__ = own.tb_next
    line = user_line(caught.value)
    assert line is not None
    assert Path(line.file).name == "decoder.py"


def test_an_error_without_a_traceback_has_no_line() -> None:
    assert user_line(ValueError("never raised")) is None


def test_a_file_below_the_current_folder_is_shown_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    error = failure_of("{}['id']\n", tmp_path / "sub" / "mine.py")
    assert str(user_line(error)) == "sub/mine.py:1: {}['id']"
