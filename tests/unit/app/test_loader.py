"""Loading targets. Each message is compared whole: it is what a newcomer gets to see."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from sabot.app.loader import load_target
from sabot.errors import AppLoadError, SabotError

Write = Callable[[str, str], Path]

APP = """
import sabot
app = sabot.App("shop", broker="localhost:9092")
app.stream("orders").to_kafka("localhost:9092", "out")
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write files into a fresh current folder; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = dict(sys.modules)

    def write(name: str, source: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source))
        return file

    yield write
    for name in set(sys.modules) - set(before):
        module = sys.modules[name]
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]
    sys.modules["__main__"] = before["__main__"]


def refusal(text: str, *, as_main: bool = False) -> str:
    """Return the words a target is refused with, the folder left out."""
    with pytest.raises(AppLoadError) as caught:
        load_target(text, as_main=as_main)
    return str(caught.value).replace(str(Path.cwd()), "<here>")


# --- what loads -----------------------------------------------------------------------


def test_a_module_with_one_app_needs_no_name(write: Write) -> None:
    write("shop.py", APP)
    target = load_target("shop")
    assert target.name == "shop"
    assert target.app is not None
    assert [output.node.name for output in target.outputs] == ["to_kafka:out"]


@pytest.mark.parametrize("text", ["shop:app", "shop.py", "shop.py:app", "deep.shop:app"])
def test_an_app_is_found_by_module_by_file_and_by_name(write: Write, text: str) -> None:
    write("shop.py", APP)
    write("deep/shop.py", APP)
    assert load_target(text).name == "shop"


def test_a_file_sees_its_neighbours(write: Write) -> None:
    write("deep/names.py", "TOPIC = 'orders'")
    write(
        "deep/pipeline.py",
        """
        from names import TOPIC
        from sabot import Stream
        Stream.from_kafka("localhost:9092", TOPIC, "billing").to_kafka("localhost:9092", "out")
        """,
    )
    assert len(load_target("deep/pipeline.py").outputs) == 1


def test_outputs_made_while_loading_belong_to_the_only_app(write: Write) -> None:
    write(
        "shop.py",
        """
        import sabot
        app = sabot.App("shop", broker="localhost:9092")
        sabot.Stream.from_kafka("localhost:9092", "a", "g").to_kafka("localhost:9092", "b")
        """,
    )
    target = load_target("shop:app")
    assert target.app is not None
    assert [output.owner for output in target.outputs] == ["shop"]
    assert list(target.app.outputs) == list(target.outputs)


def test_an_output_is_listed_once(write: Write) -> None:
    write("shop.py", APP + "app.add(app.stream('x').to_kafka('localhost:9092', 'y'))\n")
    names = [output.node.name for output in load_target("shop").outputs]
    assert names == ["to_kafka:out", "to_kafka:y"]


def test_outputs_without_an_app_take_the_group_as_their_name(write: Write) -> None:
    write(
        "pipeline.py",
        """
        from sabot import Stream
        Stream.from_kafka("localhost:9092", "a", "billing").to_kafka("localhost:9092", "b")
        """,
    )
    target = load_target("pipeline.py")
    assert (target.name, target.app) == ("billing", None)


def test_outputs_of_several_groups_take_the_files_name(write: Write) -> None:
    write(
        "pipeline.py",
        """
        from sabot import Stream
        for group in "gh":
            Stream.from_kafka("localhost:9092", "a", group).to_kafka("localhost:9092", "b")
        """,
    )
    assert load_target("pipeline.py").name == "pipeline"


def test_rows_in_memory_take_the_files_name(write: Write) -> None:
    write(
        "pipeline.py",
        "from sabot import Stream\nStream.from_pylist([{'n': 1}]).for_each(print)\n",
    )
    assert load_target("pipeline").name == "pipeline"


def test_two_names_for_one_app_are_one_app(write: Write) -> None:
    write("shop.py", APP + "application = app\n")
    assert load_target("shop").name == "shop"


def test_an_app_that_is_imported_by_the_target_is_found(write: Write) -> None:
    write("shop.py", APP)
    write("main.py", "from shop import app\n")
    assert len(load_target("main").outputs) == 1


def test_the_outputs_of_another_app_are_left_alone(write: Write) -> None:
    write(
        "shop.py",
        """
        import sabot
        first = sabot.App("first", broker="localhost:9092")
        second = sabot.App("second", broker="localhost:9092")
        first.stream("a").to_kafka("localhost:9092", "b")
        second.stream("c").to_kafka("localhost:9092", "d")
        """,
    )
    names = [output.node.name for output in load_target("shop:second").outputs]
    assert names == ["to_kafka:d"]


def test_a_script_is_executed_as_main(write: Write) -> None:
    write(
        "script.py",
        """
        from sabot import Stream
        if __name__ == "__main__":
            Stream.from_pylist([{"n": 1}]).for_each(print)
        """,
    )
    assert len(load_target("script.py", as_main=True).outputs) == 1
    with pytest.raises(AppLoadError):
        load_target("script.py")


def test_what_a_script_has_run_itself_is_not_run_again(write: Write) -> None:
    write(
        "script.py",
        """
        from sabot import Stream
        Stream.from_pylist([{"n": 1}]).for_each(print).output.started = True
        Stream.from_pylist([{"n": 2}]).for_each(print)
        """,
    )
    target = load_target("script.py", as_main=True)
    assert (len(target.outputs), target.ran) == (1, 1)


def test_the_exit_of_a_script_passes_through(write: Write) -> None:
    write("script.py", "import sys\nsys.exit(3)\n")
    with pytest.raises(SystemExit) as caught:
        load_target("script.py", as_main=True)
    assert caught.value.code == 3


# --- what is refused, word by word ----------------------------------------------------


def test_a_missing_module_is_named_with_its_nearest_neighbour(write: Write) -> None:
    write("shop.py", APP)
    assert refusal("shopp:app") == (
        "cannot load 'shopp:app': there is no module 'shopp', neither here nor installed; "
        "did you mean 'shop'?\n  here: <here>"
    )


def test_a_missing_module_of_a_package_is_named_whole(write: Write) -> None:
    write("deep/__init__.py", "")
    write("deep/shop.py", APP)
    assert refusal("deep.shup") == (
        "cannot load 'deep.shup': there is no module 'deep.shup', neither here nor installed; "
        "did you mean 'deep.shop'?\n  here: <here>"
    )


def test_an_import_that_fails_inside_is_not_taken_for_a_missing_target(write: Write) -> None:
    write("shop.py", "import sabot\nimport pandsa\n")
    assert refusal("shop:app") == (
        "cannot load 'shop:app': it raised ModuleNotFoundError: No module named 'pandsa'\n"
        "  shop.py:2: import pandsa"
    )


def test_a_module_that_imports_itself_wrongly_is_not_taken_for_a_missing_one(write: Write) -> None:
    write("deep/__init__.py", "import deep.missing\n")
    assert refusal("deep.missing") == (
        "cannot load 'deep.missing': it raised ModuleNotFoundError: "
        "No module named 'deep.missing'\n  deep/__init__.py:1: import deep.missing"
    )


def test_an_error_shows_the_modules_own_line(write: Write) -> None:
    write("shop.py", "limit = 5\nratio = limit / 0\n")
    assert refusal("shop") == (
        "cannot load 'shop': it raised ZeroDivisionError: division by zero\n"
        "  shop.py:2: ratio = limit / 0"
    )


def test_a_refused_option_shows_the_line_that_gave_it(write: Write) -> None:
    write(
        "shop.py",
        "from sabot import Stream\n"
        "Stream.from_kafka('localhost:9092', 'a', 'g', auto_offset_rest='latest')\n",
    )
    text = refusal("shop")
    assert text.startswith("cannot load 'shop': it raised ConfigurationError: ")
    assert "'auto_offset_reset'" in text
    assert text.endswith(
        "\n  shop.py:2: Stream.from_kafka('localhost:9092', 'a', 'g', auto_offset_rest='latest')"
    )


def test_a_syntax_error_shows_its_line(write: Write) -> None:
    write("shop.py", "x = 1\nif x\n    pass\n")
    assert refusal("shop.py") == (
        "cannot load 'shop.py': it raised SyntaxError: expected ':'\n  shop.py:2: if x"
    )


def test_the_error_of_a_script_shows_its_line_too(write: Write) -> None:
    write("script.py", "raise RuntimeError\n")
    assert refusal("script.py", as_main=True) == (
        "cannot load 'script.py': it raised RuntimeError: (no message)\n"
        "  script.py:1: raise RuntimeError"
    )


def test_the_users_exception_is_the_cause(write: Write) -> None:
    write("shop.py", "{}['id']\n")
    with pytest.raises(AppLoadError) as caught:
        load_target("shop")
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_exit_while_a_module_is_loaded_is_an_error(write: Write) -> None:
    write("shop.py", "import sys\nsys.exit(3)\n")
    assert refusal("shop") == (
        "cannot load 'shop': it ended the process while it was loaded (exit code 3); "
        "to execute a script use: sabot run\n  shop.py:2: sys.exit(3)"
    )


def test_a_missing_file_is_named_with_its_nearest_neighbour(write: Write) -> None:
    write("deep/shop.py", APP)
    assert refusal("deep/shup.py") == (
        "cannot load 'deep/shup.py': there is no file 'deep/shup.py'; did you mean 'shop.py'? "
        "(in 'deep')"
    )


def test_a_path_without_its_ending_is_told_so(write: Write) -> None:
    write("deep/shop.py", APP)
    assert refusal("deep/shop") == (
        "cannot load 'deep/shop': 'deep/shop' is neither a module nor a .py file; "
        "did you mean 'deep/shop.py'?"
    )


def test_an_attribute_that_is_no_name_is_told_so(write: Write) -> None:
    write("shop.py", APP)
    assert refusal("shop:app()") == (
        "cannot load 'shop:app()': 'app()' is no name; "
        "write module, module:app, file.py or file.py:app"
    )


def test_a_missing_attribute_is_named_with_the_nearest_and_the_apps(write: Write) -> None:
    write("shop.py", APP)
    assert refusal("shop:ap") == (
        "cannot load 'shop:ap': 'shop' has no attribute 'ap'; did you mean 'app'?\n"
        "  its apps: 'app'"
    )


def test_an_attribute_that_is_no_app_is_told_what_it_is(write: Write) -> None:
    write("shop.py", APP + "orders = app.stream('x')\n")
    assert refusal("shop:orders") == (
        "cannot load 'shop:orders': 'orders' is of type Stream, not an App\n  its apps: 'app'"
    )


def test_several_apps_need_a_name(write: Write) -> None:
    write("shop.py", APP + "other = sabot.App('other', broker='localhost:9092')\n")
    assert refusal("shop") == (
        "cannot load 'shop': it defines 2 apps; name one of them, such as 'shop:app'\n"
        "  apps: 'app' (id 'shop'), 'other' (id 'other')\n"
        "  outputs: 'to_kafka:out' of app 'shop'"
    )


def test_an_output_of_no_app_beside_several_is_refused(write: Write) -> None:
    write(
        "shop.py",
        APP
        + "other = sabot.App('other', broker='localhost:9092')\n"
        + "sabot.Stream.from_pylist([{'n': 1}]).for_each(print)\n",
    )
    assert refusal("shop:app") == (
        "cannot load 'shop:app': it defines several apps, and outputs that belong to none of "
        "them; give each to its app by app.add(output)\n"
        "  apps: 'app' (id 'shop'), 'other' (id 'other')\n"
        "  outputs: 'to_kafka:out' of app 'shop', 'for_each-1' of no app"
    )


def test_a_target_that_defines_nothing_is_refused(write: Write) -> None:
    write("shop.py", "x = 1\n")
    assert refusal("shop") == (
        "cannot load 'shop': it defines neither an App nor an output; an output is made by "
        "to_kafka(...) or for_each(...)"
    )


def test_a_file_that_would_hide_a_loaded_module_is_refused(write: Write) -> None:
    write("json.py", APP)
    import json  # noqa: F401 - loaded already, and it must stay what it is

    assert refusal("./json.py") == (
        "cannot load './json.py': it would hide the module 'json' that is loaded already; "
        "give the file another name"
    )


def test_a_file_that_failed_can_be_loaded_again(write: Write) -> None:
    file = write("shop.py", "raise RuntimeError\n")
    with pytest.raises(SabotError):
        load_target("shop.py")
    file.write_text(APP)
    assert load_target("shop.py").name == "shop"
