"""Our components inside ESPnet's own tasks."""

import importlib
import json
import subprocess
import sys

import pytest
import soundfile
import torch
import yaml

import espnet_sentiment
from espnet_sentiment.registration import COMPONENTS


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_does_not_import_espnets_tasks_or_torch():
    code = "import sys, espnet_sentiment; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


@pytest.fixture
def new_task(monkeypatch):
    """Return a function that imports ESPnet's classification task as if anew.

    What the task itself imports stays: another process would spend 10 s on that.
    """
    import espnet2.tasks.cls

    monkeypatch.setattr(espnet2.tasks, "cls", espnet2.tasks.cls)
    monkeypatch.delitem(sys.modules, "espnet2.tasks.cls")
    return lambda: importlib.import_module("espnet2.tasks.cls")


def names(task) -> set[str]:
    return {*task.decoder_choices.classes, *task.specaug_choices.classes}


@pytest.mark.espnet
@pytest.mark.parametrize("order", ["before", "after"])
def test_components_are_registered_whichever_is_imported_first(order, new_task):
    ours = {"mlp_pooling", "rnn_pooling", "rnn_attention", "cnn_pooling"}
    ours |= {"stats_pooling", "specaugment"}
    if order == "after":
        task = new_task()
        assert not ours & names(task)
    importlib.reload(espnet_sentiment)
    if order == "before":
        task = new_task()
    assert ours | {"linear", "specaug"} <= names(task)


@pytest.mark.espnet
def test_specaugment_is_registered_in_asr_and_transducer_tasks_and_twice_is_once():
    import espnet2.tasks.asr
    import espnet2.tasks.asr_transducer

    from espnet_sentiment.specaug.specaugment import SpecAugment

    espnet_sentiment.register()
    for task in (espnet2.tasks.asr, espnet2.tasks.asr_transducer):
        assert task.specaug_choices.get_class("specaugment") is SpecAugment


@pytest.mark.espnet
def test_the_parts_of_the_rnn_t_are_registered_in_espnets_asr_task():
    import espnet2.tasks.asr as asr

    from espnet_sentiment.data.transcript import StrictPreprocessor
    from espnet_sentiment.encoder.conv_blstm import ConvBLSTMEncoder
    from espnet_sentiment.encoder.fbank import FbankFrontend
    from espnet_sentiment.model.rnnt_model import RNNTModel

    assert asr.model_choices.get_class("rnnt") is RNNTModel
    assert asr.encoder_choices.get_class("conv_blstm") is ConvBLSTMEncoder
    assert asr.frontend_choices.get_class("fbank") is FbankFrontend
    assert asr.preprocessor_choices.get_class("strict") is StrictPreprocessor
    assert asr.encoder_choices.get_class("conformer") is not None


CLS_CONFIG = """
frontend: default
frontend_conf: {n_mels: 80, fs: 16000}
specaug: specaugment
specaug_conf: {policy: LB, fill: mean}
normalize: utterance_mvn
encoder: transformer
encoder_conf: {output_size: 16, attention_heads: 2, linear_units: 16, num_blocks: 1}
decoder: rnn_attention
decoder_conf: {hidden_size: 8, n_heads: 2, head_size: 4}
optim: adam
optim_conf: {lr: 0.01}
batch_type: unsorted
batch_size: 2
max_epoch: 1
num_workers: 0
use_tensorboard: false
use_matplotlib: false
best_model_criterion: [[valid, acc, max]]
"""


@pytest.mark.espnet
def test_espnets_classification_task_trains_from_a_yaml_that_names_our_parts(
    tmp_path, an4_wavs
):
    from espnet2.tasks.cls import CLSTask

    (tmp_path / "train.yaml").write_text(CLS_CONFIG)
    wavs = an4_wavs[:4]
    tables = {
        "wav.scp": [f"utt{i} {wav}" for i, wav in enumerate(wavs)],
        "label": [f"utt{i} {'ab'[i % 2]}" for i in range(len(wavs))],
        "shape": [f"utt{i} {soundfile.info(w).frames}" for i, w in enumerate(wavs)],
        "tokens": ["a", "b", "<unk>"],
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    sources = [f"{tmp_path}/wav.scp,speech,sound", f"{tmp_path}/label,label,text"]
    command = ["--config", str(tmp_path / "train.yaml")]
    for phase in ("train", "valid"):
        for source in sources:
            command += [f"--{phase}_data_path_and_name_and_type", source]
        command += [f"--{phase}_shape_file", str(tmp_path / "shape")]
    command += ["--token_list", str(tmp_path / "tokens")]
    CLSTask.main(cmd=[*command, "--output_dir", str(tmp_path / "exp")])

    trained = torch.load(tmp_path / "exp" / "1epoch.pth", weights_only=True)
    assert trained["decoder.attention.query"].shape == (2, 4)
    config = yaml.safe_load((tmp_path / "exp" / "config.yaml").read_text())
    assert config["specaug"] == "specaugment" and config["decoder"] == "rnn_attention"
    model, _ = CLSTask.build_model_from_file(
        tmp_path / "exp" / "config.yaml", tmp_path / "exp" / "1epoch.pth"
    )
    speech = torch.from_numpy(soundfile.read(wavs[0], dtype="float32")[0])[None]
    scores = model.eval().score(speech)
    assert scores.shape == (1, 2) and scores.sum().item() == pytest.approx(1)


@pytest.mark.espnet
@pytest.mark.parametrize("name", COMPONENTS)
def test_frozen_encoders_and_specaugment_are_in_every_task_of_speech(name):
    from espnet_sentiment.encoder.frozen_frontend import FrozenEncoderFrontend
    from espnet_sentiment.specaug.specaugment import SpecAugment

    task = importlib.import_module(name)
    assert task.frontend_choices.get_class("frozen_encoder") is FrozenEncoderFrontend
    assert task.specaug_choices.get_class("specaugment") is SpecAugment
    for choices, component, target in COMPONENTS[name]:
        found = getattr(task, f"{choices}_choices").get_class(component)
        assert f"{found.__module__}:{found.__name__}" == target
        assert issubclass(found, getattr(task, f"{choices}_choices").base_type)


def wrapper(*words, cwd=None, stdin="") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "espnet_sentiment", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=stdin,
    )


@pytest.mark.espnet
def test_the_wrapper_runs_an_espnet_program_with_our_names():
    words = ["-m", "espnet2.bin.cls_train", "--print_config"]
    result = wrapper(*words, "--decoder", "rnn_attention")
    assert result.returncode == 0, result.stderr[-2000:]
    assert yaml.safe_load(result.stdout)["decoder"] == "rnn_attention"


PROGRAM = """
import json, multiprocessing, sys

def knows(queue):
    queue.put("espnet_sentiment" in sys.modules)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    if sys.argv[1:] == ["spawn"]:
        child = spawn.Process(target=knows, args=(queue,))
        child.start()
        print(json.dumps(queue.get(timeout=60)))
        child.join()
    else:
        known = "espnet_sentiment" in sys.modules
        print(json.dumps([sys.argv, sys.path[0], __file__, known]))
"""


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "pyscripts"
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    return folder / "program.py"


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-m", "program"], ["program"]])
def test_the_wrapper_runs_a_module_as_python_does(program, words):
    result = wrapper(*words, "--ngpu", "1", cwd=program.parent)
    assert json.loads(result.stdout) == [
        [str(program), "--ngpu", "1"],
        str(program.parent),
        str(program),
        True,
    ]


@pytest.mark.slow
def test_the_wrapper_runs_a_script_as_python_does(program):
    words = ["pyscripts/program.py", "-m", "x"]
    result = wrapper(*words, cwd=program.parent.parent)
    python = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=program.parent.parent,
    )
    *ours, known = json.loads(result.stdout)
    *theirs, _ = json.loads(python.stdout)
    assert ours[:2] == theirs[:2] == [words, str(program.parent)]
    assert known and ours[2].endswith("pyscripts/program.py")


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-m", "program"], ["./program.py"]])
def test_processes_that_a_program_spawns_know_our_names_too(program, words):
    result = wrapper(*words, "spawn", cwd=program.parent)
    assert json.loads(result.stdout) is True, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-c", "TEXT", "a"], ["-", "a"]])
def test_the_wrapper_runs_commands_and_standard_input_as_python_does(words):
    text = "import sys; print([*sys.argv, __name__, 'espnet_sentiment' in sys.modules])"
    words = [text if word == "TEXT" else word for word in words]
    result = wrapper(*words, stdin=text)
    assert result.stdout.strip() == f"['{words[0]}', 'a', '__main__', True]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m"], "error: -m needs an argument"),
        (["-u", "x.py"], "error: -u is no module and no script: an option of python"),
        (["-m", "missing.module"], "error: there is no module missing.module"),
        (["espnet_sentiment.bin.missing"], "error: there is no module espnet_senti"),
        (["local/missing.py"], "error: local/missing.py is missing"),
    ],
)
def test_the_wrapper_names_what_it_cannot_run(words, message):
    result = wrapper(*words)
    assert result.returncode == 1 and result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_an_import_that_fails_within_a_program_keeps_its_traceback(tmp_path):
    (tmp_path / "program.py").write_text("import missing_from_here")
    result = wrapper("-m", "program", cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" in result.stderr
    assert "missing_from_here" in result.stderr.splitlines()[-1]


@pytest.mark.slow
def test_what_a_user_can_put_right_ends_a_program_with_one_line(tmp_path):
    text = (
        "from espnet_sentiment.encoder.sample_rate import parse_rate\n"
        "parse_rate('fast')\n"
    )
    result = wrapper("-c", text)
    assert result.returncode == 1 and result.stderr == (
        "error: frontend_conf: fs is 'fast', no sample rate: give 16k\n"
    )
