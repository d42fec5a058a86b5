"""Stage 5: decode every fold's test utterances: posteriors and attention."""

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from espnet_sentiment.bin.experiment import (
    Experiment,
    add_experiment_arguments,
    experiments,
    run,
)
from espnet_sentiment.data.ark import write_ark
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.files import DataError, write_text
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.data.stage import Stage, stat_hash


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--decode_batch_size", type=int, default=64, help="utterances decoded together"
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    data = read_kaldi_dir(args.data_dir)
    folds = read_folds(args.data_dir)
    todo = []
    for experiment in experiments(args):
        store = FeatureStore(experiment.store / "clean")
        for fold in folds:
            folder = experiment.dir / f"fold{fold.name}"
            checkpoint = folder / "sentiment.pth"
            if not (folder / ".done.json").exists():
                raise DataError(f"{checkpoint} is not complete: run stage 4 (training)")
            stage = Stage(
                f"stage 5: {experiment.name} fold {fold.name}",
                folder / "decode" / ".done.json",
                {
                    "checkpoint": stat_hash([checkpoint]),
                    "store": store.meta,
                    "test": fold.test,
                    "batch_size": args.decode_batch_size,
                },
            )
            if not stage.is_done():
                todo.append((experiment, fold, stage))
    if todo:
        _decode_all(todo, data, args)


def _decode_all(todo, data: KaldiDir, args) -> None:
    total = sum(len(fold.test) for _, fold, _ in todo)
    with tqdm(total=total, desc="decode", unit="utt") as bar:
        for experiment, fold, stage in todo:
            stage.start()
            decode_fold(experiment, fold, data, args.decode_batch_size, args.ngpu)
            stage.finish(None, [stage.stamp.with_name("predictions.jsonl")])
            bar.update(len(fold.test))


@torch.no_grad()
def decode_fold(
    experiment: Experiment, fold: Fold, data: KaldiDir, batch_size: int, ngpu: int = 0
) -> None:
    """Write ``decode/predictions.jsonl`` and ``decode/attention.{ark,scp}``.

    Raises:
        DataError: The checkpoint learned on another encoder than the store holds.
    """
    from espnet_sentiment.model.checkpoint import CHECKPOINT, load_decoder

    device = "cuda" if ngpu > 0 else "cpu"
    folder = experiment.dir / f"fold{fold.name}"
    store = FeatureStore(experiment.store / "clean")
    model, reference = load_decoder(folder / CHECKPOINT, device)
    if reference["sha256"] != store.meta["encoder"]["sha256"]:
        raise DataError(
            f"{folder / CHECKPOINT} learned on the encoder {reference}, but "
            f"{store.root} holds {store.meta['encoder']}: rerun stages 3 and 4"
        )
    lines: dict[str, str] = {}
    attention: dict[str, np.ndarray] = {}
    utts = sorted(fold.test, key=store.n_frames)
    for begin in range(0, len(utts), batch_size):
        batch = utts[begin : begin + batch_size]
        feats, lengths = _load(store, batch, device)
        has_attention = getattr(model.decoder, "has_attention", False)
        logits, weights = model.classify(feats, lengths, has_attention)
        posteriors = logits.double().softmax(dim=-1).cpu().numpy()
        for i, utt in enumerate(batch):
            lines[utt] = _line(
                utt, data.utt2label.get(utt), model.token_list, posteriors[i]
            )
            if weights is not None:
                attention[utt] = weights[i, :, : lengths[i]].cpu().numpy()
    out = folder / "decode"
    write_text(out / "predictions.jsonl", "".join(lines[utt] for utt in sorted(lines)))
    if attention:
        write_ark(out / "attention.ark", out / "attention.scp", attention)


def _load(store: FeatureStore, utts: Sequence[str], device: str):
    feats: list[torch.Tensor] = [torch.from_numpy(store[u]).float() for u in utts]
    lengths = torch.tensor([len(f) for f in feats], device=device)
    return pad_sequence(feats, batch_first=True).to(device), lengths


def _line(utt: str, label, classes: Sequence[str], posteriors: np.ndarray) -> str:
    row = {
        "utt": utt,
        "label": label,
        "prediction": classes[int(posteriors.argmax())],
        "posteriors": {c: float(p) for c, p in zip(classes, posteriors, strict=True)},
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    run(main)
