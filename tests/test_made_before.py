"""Models that version 0.1.0 made, before its modules moved, answer as they did then.

``made_by_0_1_0`` holds a pack with its encoder, a small Whisper of random weights, the
fold that it was packed from, and what both said of AN4's recordings.
"""

import json
import shutil
from pathlib import Path

import pytest

from espnet_sentiment.pack.find import find_model

MADE = Path(__file__).with_name("made_by_0_1_0")

pytestmark = pytest.mark.slow


@pytest.fixture
def answers(an4_wavs, monkeypatch, tmp_path):
    """Return a function that compares a model's answers with those of then."""
    monkeypatch.setenv("ESPNET_SENTIMENT_CACHE", str(tmp_path / "cache"))
    from espnet_sentiment import Speech2Sentiment

    expected = json.loads((MADE / "answers.json").read_text())

    def compare(model, **options):
        speech2sentiment = Speech2Sentiment.from_pretrained(model, **options)
        for wav in an4_wavs:
            found = speech2sentiment(wav).posteriors
            # To the rounding of another processor.
            assert found == pytest.approx(expected[wav.name], abs=1e-4)

    return compare


def test_a_pack_answers_as_it_did(answers):
    answers(MADE / "model.zip")


def test_a_fold_answers_as_it_did(answers, tmp_path):
    packed = find_model(MADE / "model.zip").encoder_model
    fold = shutil.copytree(MADE / "fold1", tmp_path / "exp" / "old" / "fold1")
    answers(fold, encoder_model=packed)
