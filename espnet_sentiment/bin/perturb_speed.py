"""Stage 0, after the set: the same set, and its training utterances at other speeds.

A speaker who is played faster or slower, in pitch too, sounds like another one. Copies
belong to speakers of their own, ``sp0.9-<speaker>``, as in Kaldi's recipes, and train
where the original trains; validation and test stay as they are.

    python -m espnet_sentiment.bin.perturb_speed --data_dir data/emodb \\
        --out data/emodb_sp --speeds 0.9 1.1
"""

import argparse
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import soundfile
from tqdm import tqdm

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import (
    atomic_path,
    sha256_of,
    write_json,
    write_table,
)
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.names import as_file
from espnet_sentiment.core.seal import seal, sealed
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.folds import Fold, read_folds, write_folds
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir, utterance_audio
from espnet_sentiment.data.speed import UNIQ, perturbed
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.overlap_file import OVERLAP, find_overlap, overlap_inputs
from espnet_sentiment.recipe.stage import DONE, Stage, content_hash, stat_hash

ALGORITHM = 1
TABLES = ("utt2spk", "utt2label", "text", "utt2votes", "utt2group")
COPIED = ("classes", "reco2file_and_channel")


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument("--out", required=True, help="the one to write")
    parser.add_argument(
        "--speeds",
        nargs="+",
        type=float,
        default=[0.9, 1.1],
        help="how many times as fast; 1 makes no copy (default: 0.9 1.1)",
    )
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings that have several; without it they are refused",
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    source, out = Path(args.data_dir), Path(args.out)
    if source.resolve() == out.resolve():
        raise DataError(f"--out {out} is the set itself: name another folder")
    with reading(source):
        data, folds = read_data(source), read_folds(source)
        _perturb(data, folds, out, args)


def _perturb(
    data: KaldiDir, folds: list[Fold], out: Path, args: argparse.Namespace
) -> None:
    trained = {utt for fold in folds for utt in (*fold.train, *fold.no_majority)}
    copies = perturbed(sorted(trained), sorted(args.speeds), "--speeds")
    if not copies:
        raise DataError("--speeds 1 makes no copies: give others, such as 0.9 1.1")
    if taken := sorted(copies.keys() & data.utt2spk.keys()):
        refuse(
            f"{data.path}: {len(taken)} utterances are called as copies at other "
            "speeds will be: rename them, or name the set without copies",
            taken,
        )
    tables = [data.path / name for name in (*TABLES, "segments", "wav.scp", *COPIED)]
    stage = Stage(
        "stage 0: copies at other speeds",
        out / DONE,
        {
            "tables": content_hash(tables),
            "folds": sha256_of([dataclasses.asdict(fold) for fold in folds]),
            "recordings": stat_hash(sorted(set(data.wav_scp.values()))),
            "copies": sha256_of(copies),
            "overlap": overlap_inputs(data.path),
            "channel": args.channel,
            "place": str(out.resolve()),  # where tables say that copies are
        },
        ALGORITHM,
    )
    if stage.is_done():
        return
    with writing(out):
        if stage.is_done():
            return
        stage.start(out)
        wavs = _write_wavs(data, copies, out / "wav", args.channel, stage.origin)
        outputs = _write_tables(data, copies, wavs, out)
        # Copies train where their originals do, so that parts share what they shared.
        write_json(out / OVERLAP, find_overlap(data, folds))
        write_folds(out, [_with_copies(fold, copies) for fold in folds])
        stage.finish(
            f"{len(data.utts)} utterances and {len(copies)} copies in {out}",
            [*outputs, out / OVERLAP, out / "folds"],
            [*wavs.values()],
        )


def _write_wavs(
    data: KaldiDir,
    copies: Mapping[str, tuple[str, float]],
    folder: Path,
    channel: str | None,
    of: str,
) -> dict[str, Path]:
    """Write the copies' recordings, those aside that an interrupted run has written."""
    import torch
    import torchaudio

    folder.mkdir(parents=True, exist_ok=True)
    wavs = {key: folder.resolve() / f"{as_file(key)}.flac" for key in copies}
    errors: dict[str, str] = {}
    for key, (utt, factor) in tqdm(copies.items(), desc="copies", unit="utt"):
        if sealed(wavs[key], of) is not None:
            continue
        try:
            samples = utterance_audio(data, utt, channel).read()
        except DataError as error:
            errors[utt] = str(error)
            continue
        other, _ = torchaudio.functional.speed(
            torch.from_numpy(samples), SAMPLE_RATE, factor
        )
        # What rings beyond full scale is clipped, as FLAC would.
        with atomic_path(wavs[key]) as temporary:
            soundfile.write(
                temporary, other.clamp(-1, 1).numpy(), SAMPLE_RATE, format="FLAC"
            )
        seal(wavs[key], of)
    if errors:
        refuse(f"{len(errors)} utterances unusable", list(errors.values()))
    return wavs


def _write_tables(
    data: KaldiDir,
    copies: Mapping[str, tuple[str, float]],
    wavs: Mapping[str, Path],
    out: Path,
) -> list[Path]:
    """Write the set's tables with a row for each copy; return them."""
    of = {key: (utt, f"sp{factor:g}-") for key, (utt, factor) in copies.items()}
    spoken = {key: f"{sp}{data.utt2spk[utt]}" for key, (utt, sp) in of.items()}
    utt2spk = {**data.utt2spk, **spoken}
    spk2utt: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utt], []).append(utt)
    written: dict[str, dict[str, str]] = {
        "utt2spk": utt2spk,
        "spk2utt": {speaker: " ".join(utts) for speaker, utts in spk2utt.items()},
        UNIQ: {key: utt for key, (utt, _) in of.items()},
        "wav.scp": {**data.wav_scp, **{key: str(wav) for key, wav in wavs.items()}},
    }
    for name in ("utt2label", "text", "utt2votes", "utt2group"):
        rows = getattr(data, name)
        more = {key: rows[utt] for key, (utt, _) in of.items() if utt in rows}
        if rows:
            written[name] = {**rows, **more}
    if data.segments:
        whole = {key: f"{key} 0.000 -1" for key in of}
        written["segments"] = {**data.segments, **whole}
    for name, rows in written.items():
        write_table(out / name, rows)
    names = [name for name in COPIED if (data.path / name).is_file()]
    for name in names:
        shutil.copyfile(data.path / name, out / name)
    return [out / name for name in (*written, *names)]


def _with_copies(fold: Fold, copies: Mapping[str, tuple[str, float]]) -> Fold:
    """Return a fold that trains on the copies of what it trains on, too."""

    def more(utts: list[str]) -> list[str]:
        wanted = set(utts)
        return sorted([*utts, *(k for k, (utt, _) in copies.items() if utt in wanted)])

    return dataclasses.replace(
        fold, train=more(fold.train), no_majority=more(fold.no_majority)
    )


if __name__ == "__main__":
    run(main)
