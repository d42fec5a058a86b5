"""The table of views and the clean share, on a tiny corpus."""

import pytest
from recipe_fixtures import ROOT, Recipe, script_module

pytestmark = [pytest.mark.espnet, pytest.mark.recipe]


@pytest.fixture(scope="module")
def augmentation():
    with script_module(ROOT / "benchmarks" / "augmentation.py") as module:
        yield module


def test_a_row_for_every_number_of_views(augmentation, tmp_path, an4_wavs, capsys):
    recipe = Recipe(tmp_path, an4_wavs[:16])
    recipe.run(1, 3)
    options = ["--data_dir", recipe.data_dir, "--encoder", recipe.encoder]
    options += ["--dump", tmp_path / "dump", "--exp", tmp_path / "augmentation"]
    options += ["--sentiment", recipe.sentiment, "--sentiment_args", "--max_epoch 1"]
    rows = ["0:1", "1:equal", "2:0.5"]
    augmentation.main([*map(str, options), "--nj", "1", "--rows", *rows])
    table = capsys.readouterr().out
    lines = [line.split(" | ")[:2] for line in table.splitlines()[2:] if line]
    assert lines == [["| 0", "1"], ["| 1", "equal"], ["| 2", "0.5"]]


def test_rows_have_one_setting_each(augmentation, capsys):
    options = ["--data_dir", "d", "--encoder", "e", "--sentiment", "s"]
    with pytest.raises(SystemExit):
        augmentation.main([*options, "--tune", "4"])
    assert "leave out --tune" in capsys.readouterr().err
