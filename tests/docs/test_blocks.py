from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tests.docs.blocks import python_blocks

PAGE = """\
# First

```python
a = 1
```

```sh
make demo
```

## Second

- in a list

  ~~~python skip because
  raise ValueError("here")
  ~~~

````python
text = '''
```python
'''
````
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_only_python_blocks_are_found_with_line_and_heading(page: Path) -> None:
    found = [(b.line, b.heading, b.words) for b in python_blocks(page)]
    assert found == [(4, "First", ()), (16, "Second", ("skip", "because")), (20, "Second", ())]
    assert str(python_blocks(page)[0]) == "page.md:4"


def test_indented_blocks_lose_their_indent(page: Path) -> None:
    assert python_blocks(page)[1].code == 'raise ValueError("here")\n'


def test_a_longer_fence_may_hold_a_shorter_one(page: Path) -> None:
    assert python_blocks(page)[2].code == "text = '''\n```python\n'''\n"


def test_a_traceback_names_the_line_of_the_page(page: Path) -> None:
    with pytest.raises(ValueError, match="here") as caught:
        exec(python_blocks(page)[1].compile(), {})
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(page), 16)


def test_a_fence_that_is_never_closed_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "open.md"
    path.write_text("```python\na = 1\n")
    with pytest.raises(ValueError, match=r"open\.md:1: the fence is never closed"):
        python_blocks(path)
