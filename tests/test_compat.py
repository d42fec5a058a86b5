"""Canaries: the private parts of libraries that compat.py and two overrides rely on.

A failure here says which library has changed, and what to do.
"""

import argparse
import ast
import importlib
import importlib.util
import inspect
import multiprocessing.spawn
import subprocess
import sys
from multiprocessing import popen_forkserver, popen_spawn_posix
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchaudio
from espnet2.asr.espnet_model import ESPnetASRModel
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperEncoder

import espnet_sentiment
from espnet_sentiment import compat
from espnet_sentiment.encoder.freezing import FrozenEncoder
from espnet_sentiment.encoder.torchaudio_files import bundles
from espnet_sentiment.model.rnnt_model import RNNTModel

PACKAGE = Path(espnet_sentiment.__file__).parent
# Named tuples' public methods begin with an underscore, too, and os._exit.
PUBLIC = {"_asdict", "_exit", "_fields", "_make", "_replace"}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def test_only_compat_touches_what_is_private_to_others():
    trees = {p: ast.parse(p.read_text()) for p in sorted(PACKAGE.rglob("*.py"))}
    ours, used = set(), []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                ours.add(node.id)
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                if isinstance(node.ctx, ast.Store):
                    ours.add(node.attr)
                else:
                    used.append((path, node.attr))
            elif isinstance(node, ast.ImportFrom):
                parts = (node.module or "").split(".") + [a.name for a in node.names]
                used += [(path, part) for part in parts if is_private(part)]
    foreign = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path, name in used
        if name not in ours and path.name != "compat.py"
    }
    assert not foreign, f"put these into compat.py, with a canary here: {foreign}"


def test_transformers_says_by_what_its_attention_computes():
    encoder = WhisperEncoder(
        WhisperConfig(d_model=8, encoder_layers=1, encoder_attention_heads=2)
    )
    for asked in ("sdpa", "eager"):
        encoder.set_attn_implementation(asked)
        found = compat.computes_by_sdpa(encoder.layers[0].self_attn)
        assert found == (asked == "sdpa"), (
            "transformers keeps elsewhere what attention computes by: without it no "
            "attention is fused, which is slower and no more than that"
        )


def test_argparse_lists_the_options_of_a_parser_and_its_subcommands():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--first")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("sub", add_help=False).add_argument("--second")
    found = [action.dest for action in compat.parser_actions(parser)]
    assert found == ["first", "command", "second"], (
        "argparse keeps a parser's actions elsewhere now: see how shtab walks parsers, "
        "and change compat.parser_actions; until then completion knows no files"
    )


def test_argparse_forgets_its_defaults():
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", default=1)
    parser.set_defaults(first=2, second=3)
    compat.suppress_defaults(parser)
    assert vars(parser.parse_args(["--first", "4"])) == {"first": "4"}, (
        "argparse keeps defaults elsewhere now: change compat.suppress_defaults; until "
        "then options that the stages do not serve are not told from defaults"
    )
    assert not vars(parser.parse_args([]))


def test_python_ends_threads_and_what_is_registered_before_it_ends():
    code = """
import atexit, os, threading, time
from espnet_sentiment.compat import run_exit_functions
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
run_exit_functions()
print("once", flush=True)
os._exit(0)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split("\n") == ["thread", "at exit", "once", ""], (
        "Python ends threads and runs what atexit knows otherwise now: see the end of "
        "_bootstrap in multiprocessing/process.py, and change "
        "compat.run_exit_functions; until then stages that core/serve.py forks lose "
        "both\n" + run.stderr
    )


def test_torchaudio_bundles_say_where_their_files_are():
    remedy = (
        "torchaudio's bundles name their files otherwise now: see how their get_model "
        "and get_decoder find them, and change compat.bundle_paths"
    )
    paths = {name: compat.bundle_paths(bundle) for name, bundle in bundles().items()}
    assert paths["EMFORMER_RNNT_BASE_LIBRISPEECH"] == [
        "models/emformer_rnnt_base_librispeech.pt",
        "pipeline-assets/global_stats_rnnt_librispeech.json",
    ], remedy
    assert paths["HUBERT_BASE"] == ["models/hubert_fairseq_base_ls960.pth"], remedy
    assert all(path.rpartition("/")[2] for found in paths.values() for path in found), (
        remedy
    )


def test_torchaudio_builds_the_rnnt_of_a_bundle():
    with torch.device("meta"):
        model = compat.new_rnnt(
            torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH,
        )
    assert isinstance(model.transcriber, torch.nn.Module), (
        "torchaudio's RNNTBundle builds its model otherwise now: see its get_decoder, "
        "and change compat.new_rnnt"
    )


def test_transformers_finds_the_times_of_tokens_in_attention():
    config = WhisperConfig(
        d_model=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    # A row of a prompt, then four tokens that look at 20 frames of 20 ms each.
    rows = torch.cat([torch.zeros(1, 80), torch.eye(4).repeat_interleave(20, dim=1)])
    torch.manual_seed(0)
    attention = (rows + 0.01 * torch.rand(5, 80)).repeat(1, 2, 1, 1)
    times = compat.whisper_token_times(
        model,
        torch.arange(5, 10)[None],
        [attention],
        [[0, 0], [0, 1]],
        n_frames=160,
        n_prompt=1,
    )
    assert times[:4] == pytest.approx([0.0, 0.4, 0.8, 1.2], abs=0.05), (
        "transformers' Whisper warps time otherwise now: compare "
        "_extract_token_timestamps in its generation_whisper.py with what "
        "compat.whisper_token_times gives it and takes from it"
    )
    # One more than tokens were given: when the last one ends.
    assert len(times) == 5, "see above"


@pytest.mark.parametrize("bias", [True, False])
def test_pytorch_multiplies_by_packed_weights(bias):
    if not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch without oneDNN")
    remedy = (
        "PyTorch's oneDNN operators have changed: see what torch/_inductor/fx_passes/"
        "mkldnn_fusion.py calls, and change compat.onednn_weight and onednn_linear; "
        "until then has_onednn_linear must be False, and predict takes longer"
    )
    assert compat.has_onednn_linear(), remedy
    # Whether it computes in bfloat16 is the processor's.
    assert compat.has_onednn_linear(bfloat16=True) in (True, False), remedy
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(24, 40, bias=bias), torch.randn(2, 3, 24)
    with torch.inference_mode():
        packed = compat.onednn_weight(layer.weight.detach())
        found = compat.onednn_linear(packed, layer.bias)(x)
        torch.testing.assert_close(found, layer(x), msg=remedy)
        torch.testing.assert_close(packed.to_dense(), layer.weight, msg=remedy)


def test_pytorch_moves_modules_by_the_method_that_a_frozen_encoder_overrides():
    remedy = (
        "torch.nn.Module.to and half no longer go by _apply(fn, recurse): see how they "
        "reach children, and change compat.apply_to_tensors and FrozenEncoder._apply"
    )
    inner = torch.nn.Linear(2, 3)
    parent = torch.nn.Sequential(FrozenEncoder(inner))
    parent.half()
    assert inner.weight.dtype == torch.float16, remedy
    parent.to("meta")
    assert inner.weight.device.type == "meta", remedy


def test_multiprocessing_tells_a_spawned_process_what_we_add(monkeypatch):
    remedy = (
        "multiprocessing has changed how it tells a spawned process of its parent: see "
        "multiprocessing/spawn.py, and change compat.import_in_spawned_processes"
    )
    spawn = multiprocessing.spawn
    original = spawn.get_preparation_data
    monkeypatch.setattr(spawn, "get_preparation_data", original)
    compat.import_in_spawned_processes(espnet_sentiment.register)
    assert list(inspect.signature(original).parameters) == ["name"], remedy
    told = spawn.get_preparation_data("worker")
    assert told.pop("function") is espnet_sentiment.register, remedy
    assert told == original("worker"), remedy
    for module in (popen_spawn_posix, popen_forkserver):
        assert "spawn.get_preparation_data(" in inspect.getsource(module), remedy


def test_espnet_computes_the_transducer_loss_by_the_method_that_we_override():
    remedy = (
        "espnet2/asr/espnet_model.py has changed around _calc_transducer_loss: compare "
        "it with RNNTModel's, in model/rnnt_model.py, and with RNNTLoss"
    )
    theirs = ESPnetASRModel._calc_transducer_loss
    names = list(inspect.signature(theirs).parameters)
    assert names == ["self", "encoder_out", "encoder_out_lens", "labels"], remedy
    assert list(inspect.signature(RNNTModel._calc_transducer_loss).parameters) == names
    for called in ("use_transducer_decoder", "self._calc_transducer_loss("):
        assert called in inspect.getsource(ESPnetASRModel.forward), remedy
    given = []
    model = SimpleNamespace(
        ignore_id=-1,
        blank_id=0,
        training=False,
        error_calculator_trans=None,
        decoder=torch.nn.Embedding(5, 4),
        joint_network=lambda audio, text: audio + text,
        criterion_transducer=lambda *args: given.append(args) or torch.zeros(()),
    )
    model.decoder.set_device = lambda device: None
    labels = torch.tensor([[1, 2, 3], [4, -1, -1]])
    found = theirs(model, torch.randn(2, 7, 4), torch.tensor([7, 5]), labels)
    (logits, targets, frames, lengths) = given[0]
    assert len(found) == 3 and found[1:] == (None, None), remedy
    assert logits.shape == (2, 7, 4, 4), remedy
    assert targets.tolist() == [[1, 2, 3], [4, 0, 0]], remedy
    assert (frames.tolist(), lengths.tolist()) == ([7, 5], [3, 1]), remedy


@pytest.mark.skipif(bool(importlib.util.find_spec("flash_attn")), reason="it is there")
def test_espnet_is_silent_of_flash_attention_alone(capsys, monkeypatch):
    """Should it say something else by now, NO_FLASH_ATTENTION follows it."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, compat.ESPNET_ATTENTION)
    importlib.import_module(compat.ESPNET_ATTENTION)
    assert "Flash Attention" in capsys.readouterr().err
    del sys.modules[compat.ESPNET_ATTENTION]
    compat.hush_espnet()
    importlib.import_module(compat.ESPNET_ATTENTION)
    assert "Flash Attention" not in capsys.readouterr().err

    with compat._hushed():
        print("another notice", file=sys.stderr)
    assert capsys.readouterr().err == "another notice\n"
