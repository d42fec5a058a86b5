"""The acoustic + text baseline: transcripts as tokens, fusion, and its stages."""

import shutil

import lazy
import pytest
import torch
import yaml
from recipe_fixtures import Recipe
from seed import SEED

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table, write_table
from espnet_sentiment.data.token_list import write_token_list
from espnet_sentiment.data.words import plain_words
from espnet_sentiment.decoder.cnn_pooling import CNNPoolingDecoder
from espnet_sentiment.model.checkpoint import text_to_tokens
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.model.text_encoder import LSTMTextEncoder


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Oh, that’s GREAT - really?", "OH THAT'S GREAT REALLY"),
        ("[LAUGHTER] uh-huh.", "[LAUGHTER] UH HUH"),
        ("Das schwarze Stück", "DAS SCHWARZE STÜCK"),
        (" ... ", ""),
    ],
)
def test_transcripts_become_plain_words(text, expected):
    assert plain_words(text) == expected


def test_words_seen_once_are_unknown_and_an_empty_transcript_has_an_end(tmp_path):
    made = write_token_list(tmp_path, "word", ["A B", "A C A", ""], min_count=2)
    tokens = (tmp_path / "tokens.txt").read_text().split()
    assert made == {"token_list": str(tmp_path / "tokens.txt")}
    assert tokens == ["<blank>", "<unk>", "A", "<sos/eos>"]
    to_tokens = lazy.TextToTokens("word", tokens)
    assert to_tokens("a, b").tolist() == [2, 1, 3]
    assert to_tokens("").tolist() == [3]


def model(text: bool) -> SentimentModel:
    torch.manual_seed(SEED)
    parts = {"text_encoder": LSTMTextEncoder(9), "fusion_size": 6} if text else {}
    return SentimentModel(
        token_list=["a", "b", "c"],
        frontend=None,
        specaug=None,
        encoder=None,
        normalize=None,
        decoder=CNNPoolingDecoder(6 if text else 3, encoder_output_size=5),
        **parts,
    ).eval()


def test_padding_of_speech_and_text_never_changes_the_logits():
    torch.manual_seed(SEED + 1)
    speech, lengths = torch.randn(2, 30, 5), torch.tensor([30, 11])
    text, text_lengths = (
        torch.tensor([[3, 4, 5, 8], [6, 8, -1, -1]]),
        torch.tensor([4, 2]),
    )
    both, _ = model(True).classify(speech, lengths, False, text, text_lengths)
    for i in range(2):
        n, u = lengths[i : i + 1], text_lengths[i : i + 1]
        alone, _ = model(True).classify(
            speech[i : i + 1, :n], n, False, text[i : i + 1, :u], u
        )
        torch.testing.assert_close(both[i], alone[0])


def test_both_branches_reach_the_loss_and_text_must_be_there():
    net = model(True)
    speech, lengths = torch.randn(1, 30, 5), torch.tensor([30])
    text, label = torch.tensor([[3, 8]]), torch.tensor([[2]])
    loss, _, _ = net(speech, lengths, label, text=text, text_lengths=torch.tensor([2]))
    loss.sum().backward()
    for part in (net.decoder.convs[0].weight, net.text_encoder.embed.weight):
        assert part.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="text branch: give it transcripts"):
        net(speech, lengths, label)


class TextRecipe(Recipe):
    """The small recipe with a text branch on the corpus' own transcripts."""

    def __init__(self, root, wavs, token_type):
        super().__init__(root, wavs)
        config = yaml.safe_load(self.sentiment.read_text())
        config |= {"text_encoder": "lstm", "text_token_type": token_type}
        config["text_nbpe"] = 30
        self.sentiment.write_text(yaml.safe_dump(config))
        self.exp = root / "exp" / f"an4_small_small_reference_seed{SEED}"
        self.text = root / "dump" / "text" / "reference" / "an4" / "text"

    @property
    def experiment(self):
        return [*super().experiment, "--transcripts", "reference"]

    def write_text(self, of_label):
        labels = read_table(self.data_dir / "utt2label")
        write_table(self.text, {utt: of_label(label) for utt, label in labels.items()})

    def posteriors(self):
        path = self.exp / "fold1" / "decode" / "predictions.jsonl"
        return path.read_text()


@pytest.mark.espnet
@pytest.mark.parametrize("token_type", ["word", "bpe"])
def test_a_text_branch_runs_through_the_stages(tmp_path, an4_wavs, token_type):
    recipe = TextRecipe(tmp_path, an4_wavs[:20], token_type)
    recipe.run(1, 3)
    with pytest.raises(DataError, match="text is missing: run stage 3"):
        recipe.run(4, 4)
    recipe.write_text(lambda label: f"it is {label}" if label == "an" else "")
    recipe.run(4, 6, "--nj", "1")
    results = read_json(recipe.exp / "results.json")
    assert results["sentiment"] == "small_reference"
    assert results["config"]["sentiment"]["text_encoder"] == "lstm"
    before = recipe.posteriors()
    # Other words, other posteriors, and not from a model that learned on the old ones.
    recipe.write_text(lambda label: "it is" if label == "an" else "an")
    with pytest.raises(DataError, match=r"other inputs \(text\): run stage 4 again"):
        recipe.run(5, 5)
    recipe.run(4, 5, "--nj", "1")
    assert recipe.posteriors() != before
    moved = shutil.move(recipe.exp, tmp_path / "moved")
    tokens = text_to_tokens(f"{moved}/fold1/{CHECKPOINT}")
    assert len(tokens("it is an")) > 1


@pytest.mark.espnet
def test_a_text_branch_without_transcripts_names_the_option(tmp_path, an4_wavs):
    recipe = TextRecipe(tmp_path, an4_wavs[:6], "word")
    from espnet_sentiment.bin import encode

    with pytest.raises(DataError, match="--transcripts conf/encoder/x.yaml"):
        encode.main(super(TextRecipe, recipe).experiment)
