"""Code that the site and README print is run exactly as it stands, or is checked."""

import shutil
import subprocess
from pathlib import Path

import docs_commands
import pytest
from docs_checked import CHECKED
from docs_code import NEEDS_DATA, Block, blocks, reason, run_block, run_page
from docs_server import serving
from docs_world import RECIPE, environment
from recipe_fixtures import ROOT

DOCS = ROOT / "docs"
TUTORIALS = [
    path for path in sorted((DOCS / "tutorials").glob("*.md")) if path.stem != "index"
]
RUN = [page for page in TUTORIALS if NEEDS_DATA not in page.read_text()]
WITH_DATA = [page for page in TUTORIALS if page not in RUN]
README = ROOT / "README.md"
FOLDERS = ("guide", "howto", "concepts", "reference")
PAGES = [
    *(path for name in FOLDERS for path in sorted((DOCS / name).glob("*.md"))),
    *sorted(DOCS.glob("*.md")),
]
NOT_RUN = [
    (page, block)
    for page in [README, *TUTORIALS, *PAGES]
    for block in blocks(page)
    if reason(page, block) is not None
]


def has_run(page):
    return any(reason(page, block) is None for block in blocks(page))


def where(block: Block) -> Path:
    """Return where a block of the guide begins: the root, if it goes on from there."""
    # Else it stands in the folder of EmoDB's recipe.
    of_root = ("cd egs/", "egs/mini/", "benchmarks/", "local/env.sh", "-m venv")
    return Path() if any(name in block.code for name in of_root) else RECIPE


@pytest.mark.recipe
@pytest.mark.timeout(1200)  # a minute or two, beside other tests more
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_prints(page, tmp_path):
    assert has_run(page)
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


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Return python and espnet-sentiment that start at once, and a finished recipe."""
    root = tmp_path_factory.mktemp("docs_world")
    world = root / "world"
    with serving(root / "programs", **environment(world)) as found:
        world.mkdir()
        make = Path(__file__).with_name("docs_world.py")
        subprocess.run([found / "python", make, world], check=True)
        (world / ".venv").mkdir()
        (world / ".venv" / "bin").symlink_to(found)
        yield found


@pytest.mark.recipe
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", [p for p in PAGES if has_run(p)], ids=lambda p: p.stem)
def test_code_of_a_page_does_what_it_prints(page, tmp_path, programs):
    world = tmp_path / "world"
    shutil.copytree(programs.with_name("world"), world, symlinks=True)
    for block in blocks(page):
        if reason(page, block) is None:
            run_block(block, world / where(block), tmp_path / "cache", programs)


@pytest.fixture(scope="module")
def shadow(tmp_path_factory):
    return docs_commands.make_shadow(tmp_path_factory.mktemp("shadow"))


IDS = [f"{page.stem}-{number}" for number, (page, _) in enumerate(NOT_RUN)]


@pytest.mark.espnet
@pytest.mark.parametrize(("page", "block"), NOT_RUN, ids=IDS)
def test_what_code_names_that_is_not_run_is_there(page, block, shadow, tmp_path):
    assert len(reason(page, block).split()) > 3
    if block.language == "python":
        docs_commands.check_python(block.code)
        return
    found = docs_commands.calls(block.code, shadow, where(block), tmp_path / "calls")
    for call in found:
        docs_commands.check(call)


def test_the_list_of_code_that_is_not_run_has_nothing_else():
    for name, begin in CHECKED:
        code = [block.code for block in blocks(ROOT / name)]
        assert len([one for one in code if one.startswith(begin)]) == 1, (name, begin)


@pytest.mark.espnet
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("espnet-sentiment predict --jason a.wav", "--jason"),
        ("espnet-sentiment foretell a.wav", "foretell"),
        ("espnet-sentiment pack", "required"),
        (
            "python -m espnet_sentiment.bin.probe --encoder x --data_directory y",
            "--data",
        ),
        ("python benchmarks/turning_points.py --quick", "--quick"),
        (
            "python -m espnet_sentiment.bin.tables --encoder conf/encoder/no.yaml",
            "no.yaml",
        ),
        ("cd egs/emodb && ./run.sh --decoder x", "unknown option --decoder"),
        ("cd egs/emodb && ./run.sh --encoder conf/encoder/no.yaml", "does not exist"),
        ("cd egs/mini && ./run.sh\n./local/test.sh", "No such file"),
        ("./local/env.sh tests", "tests"),
        (
            "uv pip install --torch-back cpu -c constraints.txt '.[demo]'",
            "--torch-back",
        ),
        ("espnet_sentiment info model.zip", "not found"),
        ("espnet-sentiment info exp/<name>", "syntax error"),
    ],
)
def test_a_command_that_would_be_refused_is_found(code, said, shadow, tmp_path):
    with pytest.raises(AssertionError, match=said):
        for call in docs_commands.calls(code, shadow, Path(), tmp_path / "calls"):
            docs_commands.check(call)


@pytest.mark.espnet
@pytest.mark.parametrize(
    "code",
    [
        "from espnet_sentiment import Speech2Emotion",
        "from espnet_sentiment import Speech2Sentiment\nSpeech2Sentiment.load('x')",
    ],
)
def test_python_that_names_what_is_not_there_is_found(code):
    with pytest.raises(AssertionError, match=r"no (Speech2Emotion|load)"):
        docs_commands.check_python(code)


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
