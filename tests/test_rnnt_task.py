"""RNNTTask on AN4's real utterances, from statistics to the frozen encoder."""

import copy
import math
import re
import sys

import kaldiio
import lazy
import pytest
import sentencepiece
import soundfile
import torch
import yaml
from asr_fixtures import SIZES, known_weights
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from seed import SEED
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder

pytestmark = pytest.mark.espnet

N_EPOCHS = 40


@pytest.fixture(scope="module")
def an4(an4_wavs):
    """Return the transcript of every utterance."""
    texts = {}
    for file in (an4_wavs[0].parents[3] / "etc").glob("*.transcription"):
        for line in file.read_text().splitlines():
            text, utt = re.fullmatch(r"(.*) \((.*)\)", line).groups()
            texts[utt] = re.sub(r"</?s>", "", text).strip()
    return {wav: texts[wav.stem] for wav in an4_wavs if wav.stem in texts}


def write_tables(folder, texts, all_texts):
    tokens = sorted(set("".join(all_texts.values())) - {" "})
    tables = {
        "wav.scp": [f"{wav.stem} {wav}" for wav in texts],
        "text": [f"{wav.stem} {text}" for wav, text in texts.items()],
        "shape": [f"{wav.stem} {soundfile.info(wav).frames}" for wav in texts],
    }
    for name, lines in tables.items():
        (folder / name).write_text("".join(f"{line}\n" for line in sorted(lines)))
    tokens = ["<blank>", "<unk>", "<space>", *tokens, "<sos/eos>"]
    (folder / "tokens").write_text("".join(f"{token}\n" for token in tokens))


def options(folder, **changed):
    sources = [
        (str(folder / "wav.scp"), "speech", "sound"),
        (str(folder / "text"), "text", "text"),
    ]
    parser = lazy.RNNTTask.get_parser()
    parser.set_defaults(
        **SIZES,
        output_dir=str(folder / "exp"),
        token_list=str(folder / "tokens"),
        train_data_path_and_name_and_type=sources,
        valid_data_path_and_name_and_type=sources,
        train_shape_file=[str(folder / "shape")],
        valid_shape_file=[str(folder / "shape")],
        normalize=None,
        batch_bins=400_000,
        max_epoch=1,
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
        seed=SEED,
    )
    parser.set_defaults(**changed)
    return parser.parse_args([])


def batch_of(texts, model):
    """Return audio, lengths, token indices and their lengths."""
    audio = [torch.from_numpy(soundfile.read(w, dtype="float32")[0]) for w in texts]
    index = {token: i for i, token in enumerate(model.token_list)}
    labels = [
        torch.tensor([index[c.replace(" ", "<space>")] for c in text], dtype=torch.long)
        for text in texts.values()
    ]
    return (
        pad_sequence(audio, batch_first=True),
        torch.tensor([len(x) for x in audio]),
        pad_sequence(labels, batch_first=True, padding_value=-1),
        torch.tensor([len(x) for x in labels]),
    )


@pytest.fixture(scope="module")
def short(an4):
    """Return the three utterances of one word."""
    return {wav: text for wav, text in an4.items() if " " not in text}


def train(folder, **changed):
    """Train on three utterances, the statistics of which are collected."""
    stats = folder / "stats" / "train"
    shapes = [str(stats / name) for name in ("speech_shape", "text_shape")]
    lazy.RNNTTask.main(
        options(
            folder,
            normalize="global_mvn",
            normalize_conf={"stats_file": str(stats / "feats_stats.npz")},
            specaug="specaugment",
            specaug_conf={"policy": "LB", "time_mask_width": 5, "fill": "mean"},
            model_conf={"ctc_weight": 0.3, "report_cer": True, "report_wer": True},
            train_shape_file=shapes,
            valid_shape_file=shapes,
            **changed,
        )
    )


@pytest.fixture(scope="module")
def collected(tmp_path_factory, short, an4):
    """Return a folder with the tables of three utterances and their statistics."""
    folder = tmp_path_factory.mktemp("rnnt")
    write_tables(folder, short, an4)
    lazy.RNNTTask.main(
        options(folder, collect_stats=True, output_dir=str(folder / "stats"))
    )
    return folder


@pytest.fixture(scope="module")
def trained(collected):
    """Train what hears the utterances but writes nothing; return the folder."""
    # From random weights, the seed and the processor would decide what it learns.
    silent = known_weights()
    for name in ("weight", "bias"):
        silent[f"joint_network.lin_out.{name}"].zero_()
    silent["joint_network.lin_out.bias"][0] = 3
    torch.save(silent, collected / "begin.pth")
    train(
        collected,
        init_param=[str(collected / "begin.pth")],
        freeze_param=["encoder", "decoder"],
        optim_conf={"lr": 0.02},
        max_epoch=N_EPOCHS,
    )
    # A checkpoint of what it should have learned, whatever it has.
    state = torch.load(collected / "exp" / "valid.loss.best.pth", weights_only=True)
    torch.save(state | known_weights(), collected / "exp" / "known.pth")
    return collected


@pytest.fixture(scope="module")
def model(trained):
    model, _ = lazy.RNNTTask.build_model_from_file(
        trained / "exp" / "config.yaml", trained / "exp" / "known.pth"
    )
    return model.eval()


@pytest.fixture
def untrained(tmp_path, an4):
    """Write the tables of all utterances; return a function that builds a model."""
    write_tables(tmp_path, an4, an4)

    def build(**changed):
        torch.manual_seed(SEED)
        return lazy.RNNTTask.build_model(options(tmp_path, **changed))

    return build


def first_and_last(exp):
    """Return what the first and the last validation gave."""
    state = torch.load(exp / "checkpoint.pth", weights_only=True)
    stats = state["reporter"]["stats"]
    return stats[1]["valid"], stats[max(stats)]["valid"]


def test_training_on_real_speech_halves_the_losses_of_random_weights(collected):
    scratch = collected / "scratch"
    train(collected, output_dir=str(scratch), optim_conf={"lr": 0.005}, max_epoch=20)
    first, last = first_and_last(scratch)
    for name in ("loss", "loss_transducer", "loss_ctc"):
        assert last[name] < 0.5 * first[name]


def test_training_on_real_speech_lowers_losses_and_error_rates(trained):
    first, last = first_and_last(trained / "exp")
    for name in ("loss", "loss_transducer", "loss_ctc"):
        assert last[name] < 0.5 * first[name]
    for name in ("cer_transducer", "wer_transducer"):
        assert first[name] > 0.9 and last[name] < 0.1


def test_greedy_and_beam_decoding_write_what_was_said(model, short):
    speech, lengths, _, _ = batch_of(short, model)
    for search in (
        {},
        {"beam_size": 3},
        {"beam_size": 3, "search_type": "maes", "nstep": 3},
    ):
        hyps = model.decode(speech, lengths, **search)
        assert [model.to_text(hyp) for hyp in hyps] == list(short.values())


def test_decoding_does_not_depend_on_the_batch_and_needs_evaluation_mode(model, short):
    speech, lengths, _, _ = batch_of(short, model)
    together = model.decode(speech, lengths)
    for audio, length, hyp in zip(speech, lengths, together, strict=True):
        assert model.decode(audio[None, :length], length[None]) == [hyp]
    with pytest.raises(RuntimeError, match=r"call model.eval\(\)"):
        model.train().decode(speech, lengths)
    model.eval()


def test_greedy_search_may_write_several_labels_at_one_frame(model):
    joint = copy.deepcopy(model.joint_network)
    with torch.no_grad():
        joint.lin_out.bias[3] = 1e4
    frames, lengths = torch.zeros(2, 2, 32), torch.tensor([2, 1])
    hyps = lazy.greedy_search(model.decoder, joint, frames, lengths, max_symbols=3)
    assert hyps == [[3] * 6, [3] * 3]


def test_the_experiment_is_an_encoder_for_the_sentiment_task(trained, model, short):
    encoder = ESPnetEncoder(str(trained / "exp" / "known.pth"))
    assert encoder.masks_padding and encoder.output_size() == 32
    speech, lengths, _, _ = batch_of(short, model)
    feats, frames = encoder.frontend(speech, lengths)
    output, out_lengths, _ = encoder(feats, frames)
    expected, expected_lengths = model.encode(speech, lengths)
    torch.testing.assert_close(output, expected)
    assert out_lengths.tolist() == expected_lengths.tolist() == (frames // 8).tolist()


def test_espnets_own_inference_reads_the_experiment(trained, short):
    from espnet2.bin.asr_inference import Speech2Text

    recognise = Speech2Text(
        trained / "exp" / "config.yaml",
        trained / "exp" / "known.pth",
        beam_size=3,
    )
    for wav, text in short.items():
        assert recognise(soundfile.read(wav, dtype="float32")[0])[0][0] == text


def test_the_papers_sizes_are_the_defaults_and_replaced_one_by_one(untrained):
    with torch.device("meta"):
        model = untrained(encoder_conf={}, decoder_conf={"num_layers": 2})
    decoder, joint = model.decoder, model.joint_network
    assert sum(p.numel() for p in model.encoder.parameters()) == 85_256_192
    assert (decoder.dunits, decoder.dlayers, decoder.dtype) == (1024, 2, "lstm")
    args = lazy.RNNTTask.get_parser().parse_args([])
    assert (args.encoder, args.token_type) == ("conv_blstm", "char")
    assert joint.lin_enc.in_features == 1536 and joint.lin_out.in_features == 32
    assert model.ctc is None


@pytest.mark.parametrize("name", ["conformer", "e_branchformer"])
def test_espnets_encoders_train_by_name(name, untrained, an4):
    conf = {"output_size": 16, "attention_heads": 2, "num_blocks": 1}
    model = untrained(encoder=name, encoder_conf=conf)
    loss, stats, weight = model(*batch_of(an4, model))
    loss.backward()
    assert loss.isfinite() and weight == len(an4) and "loss_ctc" not in stats
    assert all(p.grad.isfinite().all() for p in model.encoder.parameters())


def test_bfloat16_autocast_gives_nearly_the_same_loss(untrained, an4):
    model = untrained(model_conf={"ctc_weight": 0.3}, normalize="utterance_mvn")
    batch = batch_of(an4, model)
    expected = model(*batch)[0]
    # Where oneDNN has no LSTM in bfloat16, PyTorch's own computes it.
    has_lstm = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    with (
        torch.backends.mkldnn.flags(enabled=has_lstm),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        loss = model(*batch)[0]
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=0.01, atol=0)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_neither_warp_transducer_nor_k2_is_imported(untrained, an4, monkeypatch):
    for name in ("warprnnt_pytorch", "k2"):
        monkeypatch.setitem(sys.modules, name, None)
    model = untrained()
    assert model(*batch_of(an4, model))[0].isfinite()


def test_stored_fbank_trains_as_audio_does(untrained, tmp_path, an4):
    model = untrained()
    speech, lengths, *target = batch_of(an4, model)
    feats, frames = model.frontend(speech, lengths)
    on_features = untrained(input_size=80)
    torch.testing.assert_close(
        on_features(feats, frames, *target)[0], model(speech, lengths, *target)[0]
    )
    kaldiio.save_ark(
        str(tmp_path / "feats.ark"),
        {
            wav.stem: x[:n].numpy()
            for wav, x, n in zip(an4, feats, frames.tolist(), strict=True)
        },
        scp=str(tmp_path / "feats.scp"),
    )
    shapes = [f"{w.stem} {n},80" for w, n in zip(an4, frames.tolist(), strict=True)]
    (tmp_path / "feats_shape").write_text("".join(f"{line}\n" for line in shapes))
    sources = [
        (str(tmp_path / "feats.scp"), "speech", "kaldi_ark"),
        (str(tmp_path / "text"), "text", "text"),
    ]
    lazy.RNNTTask.main(
        options(
            tmp_path,
            input_size=80,
            train_data_path_and_name_and_type=sources,
            valid_data_path_and_name_and_type=sources,
            train_shape_file=[str(tmp_path / "feats_shape")],
            valid_shape_file=[str(tmp_path / "feats_shape")],
        )
    )
    config = yaml.safe_load((tmp_path / "exp" / "config.yaml").read_text())
    assert config["frontend"] is None and config["input_size"] == 80


def test_an_empty_transcript_trains_with_finite_losses(untrained, tmp_path, an4):
    model = untrained(model_conf={"ctc_weight": 0.3, "report_cer": True})
    table = (tmp_path / "text").read_text().splitlines()
    table[0] = table[0].split()[0]
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in table))
    lazy.RNNTTask.main(options(tmp_path, model_conf={"ctc_weight": 0.3}))
    state = torch.load(tmp_path / "exp" / "1epoch.pth", weights_only=True)
    assert all(value.isfinite().all() for value in state.values())
    silent = batch_of(dict.fromkeys(an4, ""), model)
    loss, stats, _ = model.eval()(*silent)
    assert loss.isfinite() and math.isnan(stats["cer_transducer"])


def test_a_transcript_longer_than_the_utterance_has_a_finite_loss(untrained, an4):
    model = untrained(model_conf={"ctc_weight": 0.3})
    speech, lengths, text, text_lengths = batch_of(an4, model)
    # 10 frames of fbank are a single one of the encoder, and CTC has no alignment.
    lengths = torch.full_like(lengths, 400 + 9 * 160)
    loss, stats, _ = model(speech, lengths, text, text_lengths)
    loss.backward()
    assert loss.isfinite() and stats["loss_transducer"] > 0
    assert all(p.grad.isfinite().all() for p in model.encoder.parameters())


def test_a_character_outside_the_token_list_is_named(untrained, tmp_path, an4):
    utt = min(wav.stem for wav in an4)
    text = (tmp_path / "text").read_text()
    (tmp_path / "text").write_text(text.replace(f"{utt} ", f"{utt} \u00c9"))
    with pytest.raises(DataError, match=f"utterance {utt} holds '\u00c9'.*token list"):
        lazy.RNNTTask.main(options(tmp_path, collect_stats=True))


def test_an_utterance_too_short_for_the_encoder_is_refused(untrained, an4):
    model = untrained()
    speech, lengths, *target = batch_of(an4, model)
    with pytest.raises(TooShortUttError, match="has 7 frames"):
        model(speech, torch.full_like(lengths, 400 + 6 * 160), *target)


def test_a_token_list_must_begin_with_the_blank(untrained, tmp_path):
    tokens = (tmp_path / "tokens").read_text().splitlines()
    (tmp_path / "tokens").write_text("\n".join(tokens[1:]) + "\n")
    with pytest.raises(ValueError, match="must be the blank <blank>, not <unk>"):
        untrained()


@pytest.mark.parametrize("option", [{"decoder": "rnn"}, {"model": "espnet"}])
def test_other_models_and_decoders_are_refused(option, untrained):
    with pytest.raises(DataError, match="RNN-T training needs"):
        untrained(**option)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sentencepieces_can_be_the_tokens(kind, untrained, tmp_path, an4):
    text = tmp_path / "spm.txt"
    text.write_text("".join(f"{line}\n" for line in an4.values()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / kind),
        model_type=kind,
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(str(tmp_path / f"{kind}.model"))
    pieces = [processor.id_to_piece(i) for i in range(3, len(processor))]
    tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
    (tmp_path / "tokens").write_text("".join(f"{token}\n" for token in tokens))
    bpe = {"token_type": "bpe", "bpemodel": str(tmp_path / f"{kind}.model")}
    args = options(tmp_path, **bpe)
    model = lazy.RNNTTask.build_model(args)
    preprocess = lazy.RNNTTask.build_preprocess_fn(args, train=True)
    for line in an4.values():
        indices = preprocess("utt", {"text": line})["text"]
        assert indices.min() > 1 and model.to_text(indices.tolist()) == line
