"""Code that the site and README print is run, exactly as it stands there."""

import shutil
from pathlib import Path

import pytest
from docs_code import NEEDS_DATA, blocks, run_page
from recipe_fixtures import ROOT

DOCS = ROOT / "docs"
TUTORIALS = [
    path for path in sorted((DOCS / "tutorials").glob("*.md")) if path.stem != "index"
]
RUN = [page for page in TUTORIALS if NEEDS_DATA not in page.read_text()]
WITH_DATA = [page for page in TUTORIALS if page not in RUN]
README = ROOT / "README.md"
LEFT_OUT = [
    (page, block)
    for page in [README, *TUTORIALS]
    for block in blocks(page)
    if block.why is not None
]


@pytest.mark.recipe
@pytest.mark.timeout(1200)  # a minute or two, beside other tests more
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_prints(page, tmp_path):
    assert any(block.why is None for block in blocks(page))
    run_page(page, tmp_path)


@pytest.mark.recipe
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", WITH_DATA, ids=lambda page: page.stem)
def test_a_tutorial_on_real_data_does_what_it_prints(
    page, tmp_path, emodb_dir, whisper_dir
):
    (tmp_path / "EMODB").symlink_to(emodb_dir)
    (tmp_path / "WHISPER").symlink_to(whisper_dir)
    run_page(page, tmp_path)


@pytest.mark.recipe
def test_the_code_of_the_readme_answers(tmp_path, an4_wavs):
    """Its model.zip and call.wav are a trained pack and a recording."""
    shutil.copy(Path(__file__).parent / "made_by_0_1_0" / "model.zip", tmp_path)
    shutil.copy(an4_wavs[0], tmp_path / "call.wav")
    label, _, posteriors = run_page(README, tmp_path).partition(" ")
    assert f"'{label}':" in posteriors


IDS = [f"{page.stem}-{number}" for number, (page, _) in enumerate(LEFT_OUT)]


@pytest.mark.parametrize(("page", "block"), LEFT_OUT, ids=IDS)
def test_code_that_is_not_run_says_why(page, block):
    assert len(block.why.split()) > 3
    pytest.skip(f"{page.name}: {block.code.splitlines()[0]}: {block.why}")


def test_a_block_of_no_known_language_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```ruby\nputs 1\n```\n")
    with pytest.raises(ValueError, match="ruby"):
        blocks(page)


@pytest.mark.slow
def test_a_page_whose_code_fails_fails_the_test(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\necho told >x\n```\n```python\nprint(open('x').read())\n```\n"
    )
    assert run_page(page, tmp_path) == "told\n\n"
    page.write_text("```sh\nfalse\ntrue\n```\n")
    with pytest.raises(AssertionError, match="false"):
        run_page(page, tmp_path)
