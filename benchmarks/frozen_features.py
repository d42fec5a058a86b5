"""One training epoch on stored features, in four ways, and what encoding them costs.

All train the same sentiment model on fold 1 of a recipe that has run stages 0 to 4, in
one process and in turns: as stage 4 does; a bare loop of PyTorch on the same batches,
without logs, checks or curves; by ESPnet's data loader on padded float32 batches; and
by encoding the audio on the fly.

    cd egs/emodb
    python ../../benchmarks/frozen_features.py --data_dir data/emodb \\
        --encoder conf/encoder/whisper_base.yaml \\
        --sentiment conf/sentiment/rnn_attention.yaml [--encoder_model PATH] [--runs N]
"""

import argparse
import platform
import statistics
import tempfile
import time

import torch
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed
from espnet2.train.distributed_utils import DistributedOption

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.recipe.experiment import (
    add_experiment_arguments,
    experiments,
    view_dirs,
)
from espnet_sentiment.recipe.stage import stage_seconds
from espnet_sentiment.scoring.tables import markdown
from espnet_sentiment.tasks.sentiment import SentimentTask
from espnet_sentiment.train.fold_task import FoldTask


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    parser.add_argument("--threads", type=int, default=1, help="default 1, as stage 4")
    parser.add_argument("--runs", type=int, default=3, help="of each way (default 3)")
    return parser


class Counted:
    """Counts the seconds of a task's epochs, those of training and of validating."""

    def __init__(self, task: type[SentimentTask], config: dict, **options):
        self.task, self.config, self.options = task, config, options

    def epoch(self) -> float:
        """Train one epoch; return its seconds without building the model."""
        seconds = []

        class Timed(self.task):
            class trainer(self.task.trainer):  # the task's attribute
                @classmethod
                def train_one_epoch(cls, *args, **kwargs):
                    begin = time.perf_counter()
                    result = super().train_one_epoch(*args, **kwargs)
                    seconds.append(time.perf_counter() - begin)
                    return result

        with tempfile.TemporaryDirectory() as folder:
            options = {
                **self.config,
                **self.options,
                "output_dir": folder,
                "max_epoch": 1,
                "resume": False,
            }
            Timed.main(argparse.Namespace(**options))
        return seconds[0]


def bare_epoch(config: dict) -> float:
    """Train on the same batches with nothing around; return the seconds."""
    args = argparse.Namespace(**config)
    set_all_random_seed(args.seed + 1)
    model = FoldTask.build_model(args).train()
    (optimizer,) = FoldTask.build_optimizers(args, model)
    batches = FoldTask.build_iter_factory(args, DistributedOption(), "train")
    begin = time.perf_counter()
    for _, batch in batches.build_iter(1):
        loss, _, _ = model(**batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - begin


def main(argv=None) -> None:
    """Print the seconds of both, and those of a whole experiment."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(args.threads)
    experiment = next(experiments(args))
    kept = read_config(experiment.fold_dir("1") / "config.yaml")
    sentiment = read_config(experiment.sentiment)
    audio = [
        [
            str(experiment.dump / "audio" / experiment.corpus / "wav.scp"),
            "speech",
            "sound",
        ],
        kept["train_data_path_and_name_and_type"][1],
    ]
    live = {
        **kept,
        **load_encoder_config(args.encoder, args.encoder_model),
        "input_size": None,
        "specaug": sentiment["specaug"],
        "specaug_conf": sentiment["specaug_conf"],
        "train_data_path_and_name_and_type": audio,
        "valid_data_path_and_name_and_type": audio,
    }
    on_the_fly = Counted(SentimentTask, live).epoch  # once: it takes long
    ways = {
        "stored features": Counted(FoldTask, kept).epoch,
        "a bare loop on them": lambda: bare_epoch(kept),
        "padded batches": Counted(SentimentTask, kept).epoch,
        "encoding on the fly": on_the_fly,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for root in view_dirs(experiment):
        FeatureStore(root).check()  # once, as stage 4 does before it trains
    for run_number in range(args.runs):
        for name, way in ways.items():
            if run_number == 0 or way is not on_the_fly:
                seconds[name].append(way())
    epochs = kept["max_epoch"] * len(read_folds(args.data_dir))
    encoding = stage_seconds(experiment.encode_stamps)
    n_train = len(read_folds(args.data_dir)[0].train)
    print(
        f"\n{n_train} training utterances, {len(view_dirs(experiment))} stored views, "
        f"{args.threads} threads, median of {args.runs}, torch {torch.__version__}, "
        f"{platform.machine()}\n"
    )
    header = ["", "one epoch (s)", "ratio", f"{epochs} epochs and encoding (s)"]
    first = statistics.median(seconds["stored features"])
    table = []
    for name, values in seconds.items():
        one = statistics.median(values)
        total = one * epochs + (0.0 if "fly" in name else encoding)
        table.append([name, f"{one:.2f}", f"{one / first:.2f}", f"{total:.0f}"])
    print(markdown(header, table))


if __name__ == "__main__":
    run(main)
