"""Shards on real Dask workers: lost ones, resuming, order, and the stages' numbers."""

import contextlib
import errno
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from recipe_fixtures import ROOT, write_configs, write_corpus
from seed import SEED
from test_conversation import make_call

from espnet_sentiment.cli.call_files import write_conversation
from espnet_sentiment.cluster import client, config
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.inference import archive, archive_shards, call_archive

pytestmark = pytest.mark.espnet

LOCAL = ROOT / "conf" / "cluster" / "local.yaml"
N_WORKERS = 2

# Before dask_jobqueue was imported; jobs in the background ignore it.
ON_CTRL_C = signal.getsignal(signal.SIGINT)


@pytest.fixture(scope="module")
def cluster():
    """Start two workers once for the whole module."""
    with client.open_cluster(LOCAL) as workers:
        yield workers


@pytest.fixture
def shared(cluster, monkeypatch):
    """Let all work of a test share the module's workers: they import ESPnet once."""

    def give(path):
        assert config.load_cluster_config(path)["n_workers"] == N_WORKERS
        return contextlib.nullcontext(cluster)

    monkeypatch.setattr(client, "open_cluster", give)


def double(number: int) -> int:
    return 2 * number


def die(folder: Path, number: int, times: int) -> tuple[int, int]:
    """End the worker, as often as that, before the shard is done."""
    for attempt in range(times):
        try:
            (folder / f"{number}.{attempt}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def fail(number: int) -> None:
    raise DataError(f"recording {number} is broken") if number else KeyError("a bug")


def test_a_lost_workers_shard_is_done_again_and_none_twice(cluster, tmp_path):
    shards = ((f"shard {n}", (tmp_path, n, int(n == 3))) for n in range(12))
    results = list(cluster.run(die, shards))
    assert sorted(number for number, _ in results) == list(range(12))
    assert (tmp_path / "3.0").exists() and len({pid for _, pid in results}) >= 2


def test_a_shard_that_ends_every_worker_is_named(cluster, tmp_path):
    shards = [("recordings 1 to 9", (tmp_path, 1, 99))]
    with pytest.raises(UserError, match="recordings 1 to 9: .* ended its worker 3 tim"):
        list(cluster.run(die, shards))
    assert len(list(tmp_path.iterdir())) == 3
    assert list(cluster.run(double, [("after it", (4,))])) == [8]


def test_no_more_shards_are_in_flight_than_workers(cluster):
    taken = []

    def shards():
        for number in range(20):
            taken.append(number)
            yield str(number), (number,)

    for done, _ in enumerate(cluster.run(double, shards()), 1):
        assert len(taken) <= done + N_WORKERS


def test_an_error_on_a_worker_is_raised_here(cluster):
    with pytest.raises(DataError, match="recording 7 is broken"):
        list(cluster.run(fail, [("shard 7", (7,))]))
    with pytest.raises(KeyError) as error:
        list(cluster.run(fail, [("shard 0", (0,))]))
    assert error.value.__notes__ == ["on a worker, in shard 0"]


def test_workers_have_one_thread_each_and_only_loopback(cluster):
    workers = cluster.client.scheduler_info(n_workers=-1)["workers"]
    assert len(workers) == N_WORKERS
    for address, worker in workers.items():
        assert worker["nthreads"] == 1 and address.startswith("tcp://127.0.0.1:")
    threads = cluster.client.run(lambda: os.environ["OMP_NUM_THREADS"])
    assert set(threads.values()) == {os.environ.get("OMP_NUM_THREADS", "1")}


def test_ctrl_c_stays_what_it_was(cluster):
    assert signal.getsignal(signal.SIGINT) is ON_CTRL_C


def test_the_names_of_clusters_are_those_of_espnet3(cluster):
    from espnet3.parallel.parallel import CLUSTER_MAP

    assert set(config.ENVS) == {"local", "local_gpu", "kube", *CLUSTER_MAP}
    assert set(config.QUEUES) == set(CLUSTER_MAP) - {"ssh"}


GOOD = {"env": "local", "n_workers": 2, "options": {}}
QUEUE = {"env": "slurm", "n_workers": 2, "options": {"cores": 1, "memory": "1GB"}}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"env": "slrum"}, "env is 'slrum': choose one of local, .*slurm"),
        ({"workers": 3}, "unknown key workers; did you mean n_workers?"),
        ({"env": None}, "env is None: choose one of"),
        ({"n_workers": 0}, "n_workers is 0: give a whole number from 1"),
        ({"n_workers": "two"}, "n_workers is 'two': give a whole number"),
        ({"options": [1]}, "options is no mapping"),
        ({"options": {"threads_per_worker": 4}}, "must be 1; raise n_workers instead"),
        ({"options": {"memory_limt": "1GB"}}, "did you mean memory_limit"),
        ({**QUEUE, "options": {"cores": 1}}, "lacks options.memory"),
        ({**QUEUE, "options": {**QUEUE["options"], "cores": 4}}, "must be equal"),
        (
            {**QUEUE, "options": {**QUEUE["options"], "que": "a"}},
            "did you mean .*queue",
        ),
        ({"options": {"memory_limit": "much"}}, "does not start .*: fix its options"),
    ],
)
def test_a_wrong_cluster_file_is_named_with_the_key_and_the_remedy(
    tmp_path, change, message
):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    with (
        pytest.raises(UserError, match=rf"(?s)mine\.yaml.*{message}"),
        client.open_cluster(path),
    ):
        pass


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_the_cluster_files_here_are_right(name):
    path = ROOT / "conf" / "cluster" / f"{name}.yaml"
    found = config.load_cluster_config(path)
    client._check_options(path, found["env"], found["options"])


SBATCH = """#!/usr/bin/env bash
cp "$1" {folder}/job.sh
setsid bash {folder}/job.sh &> {folder}/log &
echo "Submitted batch job $!"
"""
SCANCEL = "#!/usr/bin/env bash\nkill -- -$1\n"


def test_slurm_jobs_are_workers(tmp_path, monkeypatch):
    """The job that slurm.yaml describes runs here, for want of Slurm."""
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(script.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    slurm = yaml.safe_load((ROOT / "conf" / "cluster" / "slurm.yaml").read_text())
    slurm["n_workers"] = 1
    slurm["options"] |= {"interface": "lo", "local_directory": str(tmp_path / "dask")}
    path = tmp_path / "slurm.yaml"
    path.write_text(yaml.safe_dump(slurm))
    shards = [(f"shard {n}", (n,)) for n in range(3)]
    assert sorted(client.run_on(path, double, shards)) == [0, 2, 4]
    assert "#SBATCH --mem=4G" in (tmp_path / "job.sh").read_text()


# The stages and the archive, on AN4 and fbank: the encoder that costs least.


class Corpus:
    """AN4 with an fbank encoder; its stages run with or without a cluster."""

    def __init__(self, root: Path, wavs: list[Path], *options: str):
        self.root, self.options = root, options
        data = write_corpus(root, wavs)
        encoder, sentiment = write_configs(root, root)
        encoder.write_text("encoder: none\nencoder_conf: {subsample: 4}\n")
        self.common = ["--data_dir", str(data), "--encoder", str(encoder)]
        self.common += ["--dump", str(root / "dump"), *options]
        self.experiment = [*self.common, "--sentiment", str(sentiment)]
        self.experiment += ["--exp", str(root / "exp"), "--seed", str(SEED)]
        self.exp = root / "exp" / f"an4_small_small_seed{SEED}"

    def run(self) -> None:
        from espnet_sentiment.bin import (
            encode,
            make_features,
            sentiment_inference,
            sentiment_train,
        )

        make_features.main(self.common)
        encode.main(self.experiment)
        sentiment_train.main([*self.experiment, "--nj", "1"])
        sentiment_inference.main(self.experiment)

    def contents(self) -> dict[str, object]:
        """Return all results by name."""
        files = [*self.root.rglob("*.safetensors"), *self.root.rglob("*.ark")]
        files += [*self.root.rglob("predictions.jsonl"), *self.root.rglob("tokens.txt")]
        found: dict[str, object] = {
            str(path.relative_to(self.root)): path.read_bytes() for path in files
        }
        for path in self.root.rglob("history.json"):
            found[str(path.relative_to(self.root))] = read_json(path)
        return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory, an4_wavs) -> Corpus:
    """Run stages 1 to 5 in one process."""
    corpus = Corpus(tmp_path_factory.mktemp("alone"), an4_wavs)
    corpus.run()
    return corpus


def test_the_stages_give_the_same_numbers_on_a_cluster(
    alone, shared, tmp_path, an4_wavs
):
    together = Corpus(tmp_path, an4_wavs, "--cluster", str(LOCAL))
    together.run()
    expected = alone.contents()
    assert together.contents() == expected
    names = {Path(name).name for name in expected}
    assert names >= {"feats.1.ark", "shard.00000.safetensors", "predictions.jsonl"}


def test_folds_choose_on_a_cluster_what_they_choose_alone(alone, shared, tmp_path):
    from espnet_sentiment.bin import sentiment_train

    tune = [*alone.experiment, "--tune", "2", "--nj", "1"]
    tune += ["--tune_ranges", str(ROOT / "conf" / "tune" / "decoder.yaml")]
    for name, options in [("one", []), ("many", ["--cluster", str(LOCAL)])]:
        sentiment_train.main([*tune, "--exp", str(tmp_path / name), *options])
    one, many = (next(tmp_path.glob(f"{name}/an4_*")) for name in ("one", "many"))
    for file in ("tuning.json", "fold1/history.json", "fold2/tuning.json"):
        assert read_json(one / file) == read_json(many / file)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, an4_wavs) -> Path:
    """Return a list of 20 entries, two of them broken."""
    folder = tmp_path_factory.mktemp("list")
    (folder / "text.wav").write_text("no audio")
    paths = [an4_wavs[n % len(an4_wavs)] for n in range(20)]
    paths[4], paths[11] = folder / "text.wav", folder / "missing.wav"
    lines = [f"entry{n:02d} {path}\n" for n, path in enumerate(paths)]
    (folder / "wav.scp").write_text("".join(lines))
    return folder / "wav.scp"


@pytest.fixture(scope="module")
def scored(alone, recordings, tmp_path_factory) -> bytes:
    """Score the list in one process; return its lines."""
    out = tmp_path_factory.mktemp("scored")
    summary = archive.score_archive(alone.exp, recordings, out, shard_size=3)
    assert (summary.entries, summary.errors) == (20, 2)
    assert not (out / ".shards").exists()
    return summary.predictions.read_bytes()


def test_entries_stand_in_order_and_broken_ones_say_why(scored, recordings):
    rows = [json.loads(line) for line in scored.splitlines()]
    lines = [f"{row['utt']} {row['path']}" for row in rows]
    assert lines == recordings.read_text().splitlines()
    for number, row in enumerate(rows):
        if number in (4, 11):
            assert row["path"] in row["error"] and "label" not in row
        else:
            assert sum(row["posteriors"].values()) == pytest.approx(1)


def crash_at(name: str) -> None:
    """Let this worker be killed as it writes the shard of that name."""
    write = archive_shards.atomic_path

    @contextlib.contextmanager
    def crash(path):
        with write(path) as temporary:
            if path.name == name:
                temporary.write_text("half a li")
                os.kill(os.getpid(), signal.SIGKILL)
            yield temporary

    archive_shards.atomic_path = crash


def test_an_archive_loses_nothing_with_a_worker(
    alone, shared, cluster, recordings, scored, tmp_path
):
    cluster.client.run(crash_at, "00000003.jsonl")
    first, second = cluster.client.run(os.getpid).values()
    out = tmp_path / "out"
    summary = archive.score_archive(alone.exp, recordings, out, LOCAL, shard_size=3)
    assert summary.predictions.read_bytes() == scored
    assert set(cluster.client.run(os.getpid).values()) != {first, second}


def test_calls_are_answered_on_a_cluster_as_in_one_process(
    alone, shared, cluster, tmp_path, an4_wavs
):
    calls = tmp_path / "calls"
    calls.mkdir()
    for n in range(3):
        make_call(calls / f"{n}.wav", an4_wavs[2 * n : 2 * n + 4], channels=2)
    (calls / "broken.wav").write_text("no audio")
    given = {"suffixes": (".csv",), "write": write_conversation}
    asked, found = {"channel": "each"}, []
    # A worker is lost with a call that is answered and not yet noted.
    cluster.client.run(crash_at, "00000001.jsonl")
    workers = set(cluster.client.run(os.getpid).values())
    for name, place in (("many", LOCAL), ("one", None)):
        out = tmp_path / name
        archive.load_once.cache_clear()
        summary = call_archive.answer_calls(
            alone.exp, calls, out, cluster=place, asked=asked, **given
        )
        assert (summary.entries, summary.errors) == (4, 1)
        # On the cluster, this process has answered nothing.
        assert archive.load_once.cache_info().currsize == (place is None)
        files = [path for path in out.rglob("*") if not path.name.startswith(".")]
        found.append({path.name: path.read_bytes() for path in files})
    assert set(cluster.client.run(os.getpid).values()) != workers
    names = {f"{n}.{suffix}" for n in range(3) for suffix in ("jsonl", "csv")}
    assert found[0].keys() == names | {"calls.jsonl", "summary.json"}
    assert found[0] == found[1]
    rows = [json.loads(line) for line in found[0]["calls.jsonl"].splitlines()]
    assert [row["call"] for row in rows] == ["0", "1", "2", "broken"]
    assert all(row["turns"] >= 2 for row in rows[:3]) and "error" in rows[3]


def test_an_interrupted_archive_continues(
    alone, recordings, scored, tmp_path, monkeypatch
):
    score, done = archive.score_shard, []

    def interrupted(files, transcript, options, path, *rest):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path.name)
        return score(files, transcript, options, path, *rest)

    monkeypatch.setattr(archive, "score_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    first = done.copy()
    done.clear()
    done += [None] * 10  # no interruption any more
    summary = archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert first == [f"{n:08d}.jsonl" for n in range(3)]
    assert done[10:] == [f"{n:08d}.jsonl" for n in range(3, 7)]
    assert summary.predictions.read_bytes() == scored


def flip_a_label(path):
    path.write_text(path.read_text().replace('"label": "', '"label": "x', 1))


@pytest.mark.parametrize(
    "harm",
    [
        lambda one, two: flip_a_label(one),
        lambda one, two: one.write_text(""),
        lambda one, two: one.with_name(f"{one.name}.seal").unlink(),
        lambda one, two: shutil.copy(two, one),
        lambda one, two: [shutil.copy(f"{two}{e}", f"{one}{e}") for e in ("", ".seal")],
    ],
    ids=["flipped", "emptied", "unsealed", "another's", "another's with its seal"],
)
def test_a_finished_shard_that_was_changed_is_scored_again(
    alone, recordings, scored, tmp_path, monkeypatch, harm
):
    with monkeypatch.context() as patch:
        patch.setattr(archive_shards.Shards, "join", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    harm(*(tmp_path / ".shards" / f"0000000{n}.jsonl" for n in (1, 2)))
    score, done = archive.score_shard, []

    def noted(files, transcript, options, path, *rest):
        done.append(path.name)
        return score(files, transcript, options, path, *rest)

    monkeypatch.setattr(archive, "score_shard", noted)
    summary = archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert done == ["00000001.jsonl"]
    assert summary.predictions.read_bytes() == scored


def test_a_shard_that_is_changed_while_others_are_scored_is_made_again(
    alone, recordings, scored, tmp_path, monkeypatch
):
    score, done = archive.score_shard, []

    def harmful(files, transcript, options, path, *rest):
        n = score(files, transcript, options, path, *rest)
        done.append(path.name)
        if len(done) == 7:
            flip_a_label(tmp_path / ".shards" / done[0])
        return n

    monkeypatch.setattr(archive, "score_shard", harmful)
    summary = archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert len(done) == 8 and done[-1] == done[0]
    assert (summary.errors, summary.predictions.read_bytes()) == (2, scored)


def test_a_disk_that_loses_what_is_written_is_blamed(
    alone, recordings, tmp_path, monkeypatch
):
    score = archive.score_shard

    def lost(files, transcript, options, path, *rest):
        n = score(files, transcript, options, path, *rest)
        path.write_bytes(path.read_bytes()[:-9])
        return n

    monkeypatch.setattr(archive, "score_shard", lost)
    with pytest.raises(DataError, match=".shards does not keep what is written there"):
        archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert not (tmp_path / "predictions.jsonl").exists()


@pytest.mark.parametrize("name", ["predictions.jsonl", "summary.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_complete_answer_that_was_changed_is_made_again(
    alone, recordings, scored, tmp_path, name, harm
):
    archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    whole = (tmp_path / name).read_bytes()
    flipped = whole.replace(b"2", b"3", 1)
    broken = {"flip": flipped, "cut": whole[:-9], "empty": b""}[harm]
    (tmp_path / name).write_bytes(broken)
    summary = archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert (summary.entries, summary.errors) == (20, 2)
    assert (tmp_path / name).read_bytes() == whole


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_is_full_or_closed_is_named_and_the_same_command_continues(
    alone, recordings, scored, tmp_path, monkeypatch, code
):
    write, done = archive.write_shard, []

    def full(path, *rest):
        if len(done) == 3:
            raise OSError(code, os.strerror(code))
        done.append(path.name)
        write(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "write_shard", full)
        with pytest.raises(DataError, match="cannot be written .*which continues"):
            archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert len(list((tmp_path / ".shards").glob("*.seal"))) == 3
    summary = archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert summary.predictions.read_bytes() == scored


def test_a_plan_that_was_changed_is_no_reason_to_mix_answers(
    alone, recordings, tmp_path
):
    archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    plan = tmp_path / ".done.plan.json"
    plan.write_bytes(plan.read_bytes()[:-9])
    with pytest.raises(DataError, match="was changed.*name a new folder, or delete"):
        archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)


def test_another_list_is_refused_where_answers_are(
    alone, recordings, tmp_path, monkeypatch, an4_wavs
):
    with monkeypatch.context() as patch:
        patch.setattr(archive_shards.Shards, "join", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            archive.score_archive(alone.exp, recordings, tmp_path, shard_size=3)
    assert len(list((tmp_path / ".shards").glob("*.jsonl"))) == 7
    other = tmp_path / "other.txt"
    other.write_text("".join(f"{wav}\n\n" for wav in an4_wavs[:4]))
    with pytest.raises(DataError, match="holds answers to another list, model or"):
        archive.score_archive(alone.exp, other, tmp_path, shard_size=3)
    assert len(list((tmp_path / ".shards").glob("*.jsonl"))) == 7
    summary = archive.score_archive(alone.exp, other, tmp_path / "new", shard_size=3)
    rows = [json.loads(line) for line in summary.predictions.open()]
    assert [row["path"] for row in rows] == [str(wav) for wav in an4_wavs[:4]]
    assert "utt" not in rows[0]


def test_a_mended_recording_is_scored_again(alone, tmp_path, an4_wavs):
    wav, entries = tmp_path / "a.sph", tmp_path / "list.txt"
    entries.write_text(f"{wav}\n{an4_wavs[1]}\n")
    out = tmp_path / "out"
    assert archive.score_archive(alone.exp, entries, out).errors == 1
    wav.write_bytes(an4_wavs[0].read_bytes())
    assert archive.score_archive(alone.exp, entries, out).errors == 0


def test_a_folder_of_other_things_is_left_alone(alone, tmp_path, recordings):
    precious = tmp_path / "mine" / "shards" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    with pytest.raises(DataError, match="mine holds other files: name a new folder"):
        archive.score_archive(alone.exp, recordings, tmp_path / "mine")
    assert precious.read_text() == "precious"
    with pytest.raises(DataError, match="precious.txt cannot be written"):
        archive.score_archive(alone.exp, recordings, precious)


@pytest.mark.parametrize("name", ["list.txt", "list.scp"])
def test_comments_of_a_list_are_no_recordings(tmp_path, name):
    ids = ["a ", "b "] if name.endswith("scp") else ["", ""]
    path = tmp_path / name
    path.write_text(f"# mine\n{ids[0]}/x/a.wav\n\n  #b.wav\n{ids[1]}./#b.wav\n#\n")
    found = [entry.path for entry in archive.read_entries(path)]
    assert found == ["/x/a.wav", str(Path("#b.wav").absolute())]
    assert archive.survey(path)[0] == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_list(tmp_path, encoding):
    path = tmp_path / "list.scp"
    path.write_bytes("é /x/é.wav\r\nb /x/b.wav\r\n".encode(encoding))
    found = [tuple(entry) for entry in archive.read_entries(path)]
    assert found == [("é", "/x/é.wav"), ("b", "/x/b.wav")]


def test_a_table_is_no_list_of_recordings(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("path,label\na.wav,joy\n")
    with pytest.raises(DataError, match="list.csv is a table: give a text file"):
        archive.survey(path)


def test_a_queue_that_cannot_be_reached_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(UserError, match="slurm.yaml: sbatch is not on this machine"),
        client.open_cluster(LOCAL.with_name("slurm.yaml")),
    ):
        pass


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("none.txt", None, "none.txt cannot be read .No such file"),
        (
            "empty.txt",
            b"\n# none\n",
            "empty.txt names no recordings: give one path a line",
        ),
        ("latin.txt", b"gl\xfcck.wav\n", "latin.txt is not UTF-8"),
        ("wav.scp", b"a a.wav\nb\n", "wav.scp:2: 'b' names no path"),
    ],
)
def test_a_bad_list_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        archive.score_archive(tmp_path, tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()
