"""Where the code of the guide and of how-to pages is run: EmoDB's recipe, finished.

``python docs_world.py ROOT`` makes it: the repository's folders, and ``egs/emodb`` as
stages 0 to 6 leave it, with what pages name beside: a call and its turns, tables, a
pack. Speech is AN4's, from ESPnet's wheel, under names and classes of EmoDB; Whisper
base is a small one of random weights in the Hub's cache.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import soundfile
from call_fixture import make_call
from conftest import unpack_an4
from recipe_fixtures import ROOT
from test_transcribe import save_whisper

CLASSES = ("anger", "happiness", "neutral", "sadness")
# Those that a page plots.
NAMED = ("16a02Wb", "16a02Nb", "16a02Tc")
SPEAKERS = ("03", "08", "11", "16")
SENTIMENT = ("rnn_attention", "rnn_attention_speaker", "stats_pooling")
QUICK = "--max_epoch 2 --min_updates 1 --keep_nbest_models 1"
COMMIT = "0123456789" * 4
RECIPE = Path("egs", "emodb")


def environment(world: Path) -> dict[str, str]:
    """Return the variables by which the Hub's cache is the world's."""
    return {"HF_HOME": str(world / "hub"), "HF_HUB_OFFLINE": "1"}


def make_world(root: Path) -> None:
    """Make it in a new folder; ``environment`` is the process's."""
    for shared in ("conf", "benchmarks", "docs"):
        (root / shared).symlink_to(ROOT / shared)
    recipe = root / RECIPE
    recipe.mkdir(parents=True)
    (recipe / "conf").symlink_to("../../conf")
    cache = root / "hub" / "hub" / "models--openai--whisper-base"
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    save_whisper(snapshot)
    generation = snapshot / "generation_config.json"
    heads = {"alignment_heads": [[0, 0], [0, 1]], "max_length": 448}
    generation.write_text(json.dumps(json.loads(generation.read_text()) | heads))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    wavs = _waves(root / "wav")
    os.chdir(recipe)
    _write_files(wavs)
    _write_data(wavs)
    _run_stages()


def _waves(folder: Path) -> list[Path]:
    """Write both halves of AN4's eight recordings as WAV; return their 16 files."""
    folder.mkdir()
    found = []
    for half in range(2):
        for sphere in unpack_an4(folder / "an4"):
            samples, rate = soundfile.read(sphere)
            middle = len(samples) // 2
            found.append(folder / f"{sphere.stem}-{half}.wav")
            soundfile.write(found[-1], (samples[:middle], samples[middle:])[half], rate)
    return found


def _write_files(wavs: list[Path]) -> None:
    """Write what pages name in the current folder."""
    from espnet_sentiment.turns.turn import Turn
    from espnet_sentiment.turns.write import write_turns

    here = Path()
    call, _ = make_call(here, wavs, turns=4)
    turns = [
        Turn(row["start"], row["end"], row["speaker"], row["channel"])
        for row in call["turns"]
    ]
    for folder in ("calls", "rttm", "recordings", "sounds", "nemo/samples"):
        Path(folder).mkdir(parents=True)
    for name in ("calls/a", "calls/b", "sounds/call"):
        shutil.copy("call.wav", f"{name}.wav")
    for name, of in [
        ("call", "call"),
        ("calls", "call"),
        ("rttm/a", "a"),
        ("rttm/b", "b"),
    ]:
        write_turns(turns, Path(f"{name}.rttm"), of)
    for name, wav in zip(("a", "b", "c", "recordings/c"), wavs, strict=False):
        shutil.copy(wav, f"{name}.wav")
    samples, rate = soundfile.read("call.wav")
    soundfile.write("mono.wav", samples.mean(axis=1), rate)
    Path("list.txt").write_text("a.wav\nb.wav\n")
    Path("calls.scp").write_text("a calls/a.wav\nb calls/b.wav\n")
    Path("calls.csv").write_text(
        "path,speaker,start,end\na.wav,anna,0,0.5\nb.wav,bob,0,0.3\n"
    )
    labels, others, nemo = ["wav,emotion"], ["path,label,speaker"], ["file_id\temotion"]
    for number, wav in enumerate(wavs):
        label, speaker = CLASSES[number % 4], SPEAKERS[number // 4]
        target = Path("corpus", speaker, label, wav.name)
        target.parent.mkdir(parents=True)
        shutil.copy(wav, target)
        labels.append(f"{target},{label}")
        others.append(f"{target},{label},{speaker}")
        shutil.copy(wav, f"nemo/samples/{number}.wav")
        nemo.append(f"{number}.wav\t{label if number else 'fear'}")
    Path("labels.csv").write_text("\n".join(labels) + "\n")
    Path("others.csv").write_text("\n".join(others) + "\n")
    Path("nemo/data.tsv").write_text("\n".join(nemo) + "\n")


def _write_data(wavs: list[Path]) -> None:
    """Write data/emodb, as stage 0 does."""
    from espnet_sentiment.data.folds import Fold, write_folds
    from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir

    names = [f"{SPEAKERS[n // 4]}a0{n % 4}Wa" for n in range(len(wavs))]
    names[-len(NAMED) :] = NAMED
    utterances = [
        Utterance(
            name, str(wav), SPEAKERS[n // 4], label=CLASSES[n % 4], text="eleven twenty"
        )
        for n, (name, wav) in enumerate(zip(names, wavs, strict=True))
    ]
    data_dir = Path("data", "emodb")
    write_kaldi_dir(data_dir, utterances)
    of = {s: [u.utt for u in utterances if u.speaker == s] for s in SPEAKERS}
    write_folds(
        data_dir,
        [
            Fold(
                speaker,
                sorted(u for s in SPEAKERS if s not in (speaker, valid) for u in of[s]),
                of[valid],
                of[speaker],
            )
            for speaker, valid in [("03", "08"), ("16", "11")]
        ],
    )


def _run_stages() -> None:
    from espnet_sentiment import pack_model
    from espnet_sentiment.bin import (
        encode,
        fetch_encoder,
        make_features,
        score,
        sentiment_inference,
        sentiment_train,
    )

    data = ["--data_dir", "data/emodb", "--encoder", "conf/encoder/whisper_base.yaml"]
    configs = [f"conf/sentiment/{name}.yaml" for name in SENTIMENT]
    experiment = [*data, "--sentiment", *configs]
    make_features.main(data)
    fetch_encoder.main(data)
    quick = f"--sentiment_args={QUICK}"
    encode.main([*experiment, quick])
    sentiment_train.main([*experiment, quick])
    sentiment_inference.main(experiment)
    score.main(experiment)
    pack_model("exp/emodb_whisper_base_rnn_attention_seed0", "model.zip")


if __name__ == "__main__":
    make_world(Path(sys.argv[1]).resolve())
