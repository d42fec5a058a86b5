"""How far predict's posteriors, with speakers given, are from those of stage 5.

    cd egs/emodb && ./run.sh --sentiment conf/sentiment/rnn_attention_speaker.yaml
    python ../../benchmarks/predict_by_speaker.py \\
        exp/emodb_whisper_base_rnn_attention_speaker_seed0 data/emodb

Every fold's model hears the recordings of its tested speakers, with their names.
"""

import argparse
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.scoring.predictions import read_predictions


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path, help="exp/SET_NAME, after stage 5")
    parser.add_argument("data_dir", type=Path, help="data/SET, of files, not commands")
    parser.add_argument("--encoder_model", help="where the encoder is now")
    return parser


def main(argv=None) -> None:
    """Print the largest difference, and how many labels are others."""
    args = get_parser().parse_args(argv)
    data, wavs = read_data(args.data_dir), read_table(args.data_dir / "wav.scp")
    largest, n_utts, n_others = 0.0, 0, 0
    for fold in read_folds(args.data_dir):
        folder = args.experiment / f"fold{fold.name}"
        model = Speech2Sentiment.from_pretrained(
            folder, encoder_model=args.encoder_model
        )
        rows = read_predictions(folder / "decode" / "predictions.jsonl")
        answers = model.predict(
            [wavs[row["utt"]] for row in rows],
            speakers=[data.utt2spk[row["utt"]] for row in rows],
        )
        for row, answer in zip(rows, answers, strict=True):
            n_utts += 1
            n_others += answer.label != row["prediction"]
            for name, posterior in row["posteriors"].items():
                largest = max(largest, abs(posterior - answer.posteriors[name]))
    print(
        f"{n_utts} utterances: posteriors differ by {largest:.1e} at most, "
        f"{n_others} labels are others"
    )


if __name__ == "__main__":
    run(main)
