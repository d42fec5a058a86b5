"""A small model that classifies, recognises and aligns, trained on real speech."""

import json
from pathlib import Path

import pytest
from recipe_fixtures import Recipe
from test_transcribe import save_whisper

from espnet_sentiment.core.files import read_json
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment


def train_experiment(root: Path, wavs: list[Path]) -> Path:
    """Train two folds on a small Whisper that also writes transcripts."""
    recipe = Recipe(root, wavs)
    save_whisper(recipe.model)
    path = recipe.model / "generation_config.json"
    heads = {"alignment_heads": [[0, 0], [0, 1]]}
    path.write_text(json.dumps(read_json(path) | heads))
    recipe.run(1, 4)
    return recipe.exp


@pytest.fixture(scope="module", name="experiment")
def trained_experiment(tmp_path_factory, an4_wavs) -> Path:
    """Return a trained experiment."""
    return train_experiment(tmp_path_factory.mktemp("experiment"), an4_wavs)


@pytest.fixture(scope="module", name="model")
def loaded_model(experiment) -> Speech2Sentiment:
    """Return the experiment as it is used."""
    return Speech2Sentiment.from_pretrained(experiment)
