"""What feature stores take: float16 against int8, and the estimate of a corpus' size.

    cd egs/emodb
    python ../../benchmarks/store.py --encoder conf/encoder/whisper_base.yaml \\
        --store dump/whisper_base/emodb/clean [--encoder_model PATH] \\
        [--data_dir data/emodb --exp exp/emodb_whisper_base_rnn_attention_seed0]
    python ../../benchmarks/store.py --encoder FILE --utterances 49500 --hours 140

The first writes a store's features anew in both types: bytes, the error of int8 (RMS
over the standard deviation of a channel, by layer), and seconds to read all of them
once, the median of interleaved turns; of an experiment, how its folds, trained as they
are, classify the tested utterances from both. The second says what stage 3 would, of
utterances of the same length, with 4 SpecAugment views.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import read_json
from espnet_sentiment.data.feature_store import PLAN, FeatureStore, StoreWriter
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE
from espnet_sentiment.data.store_dtype import DTYPES, KEY, named_dtypes, store_dtype
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.encode import UTTS_PER_SHARD
from espnet_sentiment.encoder.kinds import input_kind
from espnet_sentiment.encoder.output_size import measure_output_size
from espnet_sentiment.encoder.store_size import Corpus, human
from espnet_sentiment.inference.classifier import Classifier
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.scoring.tables import markdown

TURNS = 7


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True, help="encoder config")
    parser.add_argument("--encoder_model", help="its weights, instead of the config's")
    parser.add_argument("--store", type=Path, help="a store of float16")
    parser.add_argument("--data_dir", help="the set of --exp")
    parser.add_argument("--exp", type=Path, help="an experiment whose folds decode")
    parser.add_argument("--utterances", type=int, default=49500)
    parser.add_argument("--hours", type=float, default=140.0)
    parser.add_argument("--views", type=int, default=4)
    return parser


def copies(store: FeatureStore, folder: Path) -> dict[str, FeatureStore]:
    """Write a store's features in every type."""
    plan = read_json(store.root / PLAN)
    found = {}
    for dtype in DTYPES[KEY]:
        meta = {**plan["meta"], KEY: dtype}
        writer = StoreWriter(folder / dtype, plan["shards"], meta)
        for number, utts in enumerate(plan["shards"]):
            writer.write(number, {utt: store[utt] for utt in utts})
        writer.finish()
        found[dtype] = FeatureStore(folder / dtype)
        found[dtype].check()
    return found


def read_all(store: FeatureStore) -> float:
    """Return the seconds of one pass over all features as float32."""
    begin = time.perf_counter()
    for utt in store:
        np.asarray(store[utt], np.float32)
    return time.perf_counter() - begin


def errors(stores: dict[str, FeatureStore]) -> np.ndarray:
    """Return the error of int8 by layer, as a share of a channel's deviation."""
    exact, rounded = stores.values()
    whole = np.concatenate([exact[utt].astype(np.float32) for utt in exact])
    other = np.concatenate([rounded[utt] for utt in exact])
    deviation = np.maximum(whole.std(axis=0), 1e-12)
    share = ((whole - other) / deviation).reshape(
        len(whole), exact.meta["n_layers"], -1
    )
    return np.sqrt(np.square(share).mean(axis=(0, 2)))


def posteriors(store: FeatureStore, exp: Path, data_dir: str) -> dict[str, np.ndarray]:
    """Classify what every fold of an experiment tests."""
    found = {}
    for fold in read_folds(data_dir):
        model = exp / f"fold{fold.name}" / CHECKPOINT
        encoder = store.meta["encoder"]
        classifier = Classifier.of_features(
            model, encoder, f"{store.root}", device="cpu"
        )
        scores = classifier.from_store([store[utt] for utt in fold.test])
        found |= {u: s.posteriors for u, s in zip(fold.test, scores, strict=True)}
    return found


def decode(stores: dict[str, FeatureStore], exp: Path, data_dir: str) -> None:
    """Print how an experiment's answers differ between the types."""
    exact, rounded = (posteriors(s, exp, data_dir) for s in stores.values())
    same = sum(exact[u].argmax() == rounded[u].argmax() for u in exact)
    apart = max(np.abs(exact[u] - rounded[u]).max() for u in exact)
    print(
        f"{exp}: {same} of {len(exact)} labels the same, posteriors within {apart:.4f}"
    )


def compare(store: FeatureStore, exp: Path | None, data_dir: str) -> None:
    """Print the table of a store."""
    with tempfile.TemporaryDirectory(dir=store.root.parent) as folder:
        stores = copies(store, Path(folder))
        seconds: dict[str, list[float]] = {dtype: [] for dtype in stores}
        for _ in range(TURNS):
            for dtype, copy in stores.items():
                seconds[dtype].append(read_all(copy))
        rows = [
            [
                dtype,
                human(sum(p.stat().st_size for p in copy.root.iterdir())),
                f"{statistics.median(seconds[dtype]):.3f}",
            ]
            for dtype, copy in stores.items()
        ]
        print(markdown(["store_dtype", "bytes", "seconds to read all"], rows))
        percent = ", ".join(f"{100 * e:.2f}" for e in errors(stores))
        print(f"error of int8 by layer (% of a channel's deviation): {percent}")
        if exp is not None:
            decode(stores, exp, data_dir)


def main(argv=None) -> None:
    """Compare the types of a store, or say what a corpus takes."""
    args = get_parser().parse_args(argv)
    if args.store:
        compare(FeatureStore(args.store), args.exp, args.data_dir)
        return
    config = load_encoder_config(args.encoder, args.encoder_model)
    encoder = build_encoder(config["encoder"], config["encoder_conf"])
    seconds = 3600 * args.hours / args.utterances
    kind = input_kind(config["encoder"])
    rate = SAMPLE_RATE if kind == "audio" else 100
    units = {
        f"sw{n:06d}-{n:09d}": round(rate * seconds) for n in range(args.utterances)
    }
    size = measure_output_size(encoder, kind)
    meta, n_shards = named_dtypes(config), len(units) // UTTS_PER_SHARD + 1
    one = Corpus.of(units, size, meta, n_shards).bytes()
    print(
        f"{human((1 + args.views) * one)}: {1 + args.views} x {human(one)}, "
        f"{args.utterances} utterances, {args.hours:g} h, {size.n_layers} x {size.dim} "
        f"channels as {store_dtype(config)}"
    )


if __name__ == "__main__":
    run(main)
