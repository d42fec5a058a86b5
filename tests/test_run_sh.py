"""run.sh, wherever and however it is started, and what it refuses before any work."""

import os
import subprocess

import pytest
from recipe_fixtures import ROOT, clone_recipe, run_recipe

pytestmark = pytest.mark.recipe

TEMPLATE = ROOT / "egs" / "TEMPLATE"
IGNORED = {".venv", "downloads", "dist"}
SCRIPTS = [
    path
    for path in [*sorted(ROOT.rglob("*.sh")), ROOT / ".ci" / "run"]
    if not IGNORED & set(path.relative_to(ROOT).parts)
]


def test_an_exported_cdpath_leads_no_script_astray(tmp_path):
    (tmp_path / "TEMPLATE").mkdir()
    run = subprocess.run(
        ["bash", "TEMPLATE/run.sh", "--nj", "0"],
        cwd=TEMPLATE.parent,
        env={**os.environ, "CDPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.stderr == "error: --nj '0' must be a number from 1 (see --help)\n"
    for path in SCRIPTS:
        before, found, _ = path.read_text().partition('cd "$(dirname')
        assert not found or "unset CDPATH" in before, path


@pytest.mark.parametrize("shell", ["sh", "dash", "bash --posix"])
def test_another_shell_hands_over_to_bash(shell):
    run = subprocess.run(
        [*shell.split(), "run.sh", "--nj", "0"],
        cwd=TEMPLATE,
        capture_output=True,
        text=True,
    )
    assert run.stderr == "error: --nj '0' must be a number from 1 (see --help)\n"
    for path in SCRIPTS:
        text = path.read_text()
        if os.access(path, os.X_OK):
            assert 'exec bash "$0" "$@"' in text.partition("\nset -")[0], path


def test_a_stage_beyond_the_last_is_the_last():
    run = run_recipe(TEMPLATE, "--stop_stage", "10000", "--nj", "0")
    said, error = run.stderr.splitlines()
    assert said == "[recipe] --stop_stage 10000: the last stage is 6"
    assert error.startswith("error: --nj")


def test_options_of_training_are_refused_before_stage_0(tmp_path):
    clone = clone_recipe("TEMPLATE", tmp_path / "clone")
    (tmp_path / "corpus").mkdir()
    said = "--optim_conf lr=abc --decoder_conf n_heads=0"
    options = ["--corpus_dir", tmp_path / "corpus", "--sentiment_args", said]
    run = run_recipe(clone, *options)
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "error: 2 options cannot be followed:",
        "  --sentiment_args: decoder_conf: n_heads is 0: it must be a whole number "
        "from 1",
        "  --sentiment_args: optim_conf: lr is 'abc': it must be a number",
    ]
    assert not (clone / "data").exists() and not (clone / "exp").exists()
