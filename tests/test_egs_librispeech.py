"""LibriSpeech: its layout, its downloads, its errors."""

import functools
import hashlib
import http.server
import shutil
import tarfile
import threading
from pathlib import Path

import pytest
import soundfile
from recipe_fixtures import recipe_module

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.data.transcribed import check_transcripts

RECIPE = Path(__file__).parents[1] / "egs" / "librispeech"
# Speaker of each part; every one reads two chapters of two utterances.
SPEAKERS = {
    "dev-clean": "1272",
    "test-clean": "61",
    "train-clean-100": "103",
    "train-clean-360": "14",
    "train-other-500": "20",
}


@pytest.fixture
def prepare():
    with recipe_module("librispeech") as module:
        yield module


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    """Write real speech in the corpus' layout."""
    samples, rate = soundfile.read(an4_wavs[0])
    for part, speaker in SPEAKERS.items():
        for chapter in ("1240", "1241"):
            folder = tmp_path / "corpus" / "LibriSpeech" / part / speaker / chapter
            folder.mkdir(parents=True)
            utts = [f"{speaker}-{chapter}-{i:04d}" for i in range(2)]
            for utt in utts:
                soundfile.write(folder / f"{utt}.flac", samples, rate)
            (folder / f"{speaker}-{chapter}.trans.txt").write_text(
                "".join(f"{utt} IT'S CHAPTER {part[0].upper()}\n" for utt in utts)
            )
    return tmp_path / "corpus"


def run(prepare, tmp_path, corpus, *options):
    data_dir = tmp_path / "data" / "librispeech"
    prepare.main(["--librispeech", str(corpus), "--data_dir", str(data_dir), *options])
    return data_dir


@pytest.mark.parametrize(
    ("hours", "speakers"),
    [("100", {"103"}), ("460", {"103", "14"}), ("960", {"103", "14", "20"})],
)
def test_the_hours_choose_the_training_parts(
    prepare, tmp_path, corpus, hours, speakers
):
    data_dir = run(prepare, tmp_path, corpus, "--hours", hours)
    data = read_kaldi_dir(data_dir)
    (fold,) = read_folds(data_dir)
    assert {data.utt2spk[utt] for utt in fold.train} == speakers
    assert {data.utt2spk[utt] for utt in fold.valid} == {"1272"}
    assert {data.utt2spk[utt] for utt in fold.test} == {"61"}
    assert len(data.utts) == 4 * (2 + len(speakers))
    assert data.text["61-1241-0001"] == "IT'S CHAPTER T"
    assert soundfile.info(data.wav_scp["61-1241-0001"]).samplerate == 16000
    assert check_transcripts(data) == []


def test_the_folder_librispeech_itself_is_taken_too(prepare, tmp_path, corpus):
    data_dir = run(prepare, tmp_path, corpus / "LibriSpeech")
    assert len(read_table(data_dir / "text")) == 12


def test_an_incomplete_part_is_said_loudly(prepare, tmp_path, corpus, capsys):
    run(prepare, tmp_path, corpus)
    assert "WARNING: 4 utterances in train-clean-100, but the corpus has 28539" in (
        capsys.readouterr().err
    )


def test_the_set_is_named_after_its_hours(prepare, tmp_path, corpus, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare.main(["--librispeech", "corpus", "--hours", "460"])
    wav_scp = read_table(tmp_path / "data" / "librispeech_460" / "wav.scp")
    assert all(Path(wav).is_absolute() for wav in wav_scp.values())


def test_the_second_run_is_up_to_date_until_a_recording_goes(
    prepare, tmp_path, corpus, capsys
):
    run(prepare, tmp_path, corpus)
    run(prepare, tmp_path, corpus)
    assert capsys.readouterr().err.count("up to date") == 1
    next(corpus.glob("LibriSpeech/dev-clean/*/*/*.flac")).unlink()
    with pytest.raises(DataError, match="is missing"):
        run(prepare, tmp_path, corpus)


def test_a_missing_part_is_named_with_its_archive(prepare, tmp_path, corpus):
    shutil.rmtree(corpus / "LibriSpeech" / "train-clean-360")
    run(prepare, tmp_path, corpus)
    with pytest.raises(
        DataError,
        match="train-clean-360 is missing: .*train-clean-360.tar.gz.*--hours",
    ):
        run(prepare, tmp_path, corpus, "--hours", "460")


def test_an_empty_part_is_named(prepare, tmp_path, corpus):
    shutil.rmtree(corpus / "LibriSpeech" / "dev-clean" / "1272")
    with pytest.raises(DataError, match="dev-clean holds no folders SPK/CHAP"):
        run(prepare, tmp_path, corpus)


CHAPTER = Path("LibriSpeech", "train-clean-100", "103", "1240")


def test_a_transcript_without_its_recording_is_named(prepare, tmp_path, corpus):
    flac = corpus / CHAPTER / "103-1240-0001.flac"
    flac.unlink()
    with pytest.raises(
        DataError,
        match=f"103-1240.trans.txt has a transcript of 103-1240-0001, but {flac} is "
        r"missing \(1 such\): unpack the archive",
    ):
        run(prepare, tmp_path, corpus)


def test_a_recording_without_its_transcript_is_named(prepare, tmp_path, corpus):
    table = corpus / CHAPTER / "103-1240.trans.txt"
    table.write_text(table.read_text().splitlines()[0])
    flac = corpus / CHAPTER / "103-1240-0001.flac"
    with pytest.raises(DataError, match=f"{table} has no transcript of {flac}"):
        run(prepare, tmp_path, corpus)


def test_a_chapter_without_transcripts_is_named(prepare, tmp_path, corpus):
    table = corpus / CHAPTER / "103-1240.trans.txt"
    table.unlink()
    with pytest.raises(DataError, match=f"{table} is missing: unpack the archive"):
        run(prepare, tmp_path, corpus)


@pytest.fixture
def site(prepare, tmp_path, corpus, monkeypatch):
    """Serve the parts' archives, as OpenSLR does; count the requests."""
    folder = tmp_path / "site"
    folder.mkdir()
    published = {}
    for part in SPEAKERS:
        archive = folder / f"{part}.tar.gz"
        with tarfile.open(archive, "w:gz") as stream:
            stream.add(corpus / "LibriSpeech" / part, f"LibriSpeech/{part}")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        published[part] = prepare.PARTS[part]._replace(sha256=digest)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            requests.append(self.path)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    server.requests, server.folder = requests, folder
    monkeypatch.setattr(prepare, "PARTS", published)
    monkeypatch.setattr(prepare, "URL", f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(prepare, tmp_path, *options):
    data_dir = tmp_path / "data" / "fetched"
    downloads = tmp_path / "downloads"
    prepare.main(["--downloads", str(downloads), "--data_dir", str(data_dir), *options])
    return data_dir, downloads


def test_parts_are_downloaded_once_and_their_archives_removed(prepare, tmp_path, site):
    data_dir, downloads = fetch(prepare, tmp_path)
    assert len(read_table(data_dir / "text")) == 12
    assert len(site.requests) == 3
    fetch(prepare, tmp_path, "--hours", "960")
    assert len(site.requests) == 5
    assert [path.name for path in downloads.iterdir()] == ["LibriSpeech"]
    assert {p.name for p in (downloads / "LibriSpeech").iterdir()} == SPEAKERS.keys()


def test_another_archive_than_the_published_one_is_refused(prepare, tmp_path, site):
    archive = site.folder / "test-clean.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1] + b"x")
    with pytest.raises(
        DataError, match="test-clean.tar.gz .* SHA-256 .*removed.*--librispeech DIR"
    ):
        fetch(prepare, tmp_path)
    assert not list((tmp_path / "downloads").glob("test-clean*"))
    archive.write_bytes(whole)
    fetch(prepare, tmp_path)


def test_a_run_killed_while_unpacking_continues(prepare, tmp_path, site, corpus):
    downloads = tmp_path / "downloads"
    (downloads / "dev-clean.unpacked.part" / "LibriSpeech").mkdir(parents=True)
    shutil.copy(site.folder / "dev-clean.tar.gz", downloads)
    shutil.copytree(
        corpus / "LibriSpeech" / "test-clean",
        downloads / "test-clean.unpacked" / "LibriSpeech" / "test-clean",
    )
    data_dir, _ = fetch(prepare, tmp_path)
    assert len(read_table(data_dir / "text")) == 12
    assert len(site.requests) == 1  # train-clean-100 alone
    assert [path.name for path in downloads.iterdir()] == ["LibriSpeech"]
