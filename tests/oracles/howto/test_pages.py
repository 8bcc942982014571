"""The runner of the pages finds what a page shows wrongly."""

import pytest

from tests.oracles.howto import pages

PAGE = """# A page

<!-- runs in tests/oracles/howto -->
```python
print("one of 12 things")
print("accuracy 91.2 %, and more")
```

```text
{shown}
```
"""
WRITES = """
```toml title="folder/a.toml"
a = 1
```

<!-- exit code {code} -->
```bash
python -c "print(open('folder/a.toml').read()); raise SystemExit(3)"
```
"""


def played(text, folder):
    page = folder / "page.md"
    page.write_text(text)
    return pages.play(page, folder)


@pytest.mark.parametrize("shown", ["one of 99 things", "one of ...", "accuracy 93.0 %, and more", "one of 1 things\n"])
def test_numbers_may_differ_and_lines_may_break_off(shown, tmp_path):
    (block,) = played(PAGE.format(shown=shown), tmp_path)
    assert block.printed.startswith("one of 12 things\n")


@pytest.mark.parametrize(
    "shown", ["two of 12 things", "one of", "accuracy 81.0 %, and more", "accuracy 91.2 %, and more\none of 12 things"]
)
def test_other_words_another_order_and_another_accuracy_are_found(shown, tmp_path):
    with pytest.raises(AssertionError, match="the page shows"):
        played(PAGE.format(shown=shown), tmp_path)


def test_files_are_written_and_exit_codes_are_compared(tmp_path):
    assert "a = 1" in played(WRITES.format(code=3), tmp_path)[1].printed
    with pytest.raises(AssertionError, match="ended with 3"):
        played(WRITES.format(code=0), tmp_path)


def test_framework_of_a_title_is_a_folders_name():
    block = pages.Block(language="python", title="train.py, with snnTorch 1.0.0", text="", comments="")
    assert block.framework == "snntorch-1.0.0"
    assert pages.Block(language="python", title="train.py", text="", comments="").framework == ""
