"""Sentiment decoders: the paper's formulas, padding, and ESPnet's interface."""

import math

import pytest
import torch
from seed import SEED

from espnet_sentiment.decoder.cnn_pooling import CNNPoolingDecoder
from espnet_sentiment.decoder.mlp_pooling import MLPPoolingDecoder
from espnet_sentiment.decoder.rnn_attention import RNNAttentionDecoder
from espnet_sentiment.decoder.rnn_pooling import RNNPoolingDecoder
from espnet_sentiment.decoder.stats_pooling import MIN_VARIANCE, StatsPoolingDecoder

D, CLASSES = 12, 4
DECODERS = {
    "mlp avg": (MLPPoolingDecoder, {"pooling": "avg"}),
    "mlp max": (MLPPoolingDecoder, {"pooling": "max"}),
    "rnn last": (RNNPoolingDecoder, {"pooling": "last"}),
    "rnn avg": (RNNPoolingDecoder, {"pooling": "avg"}),
    "rnn max": (RNNPoolingDecoder, {"pooling": "max"}),
    "rnn avg, two layers": (RNNPoolingDecoder, {"pooling": "avg", "num_layers": 2}),
    "cnn avg": (CNNPoolingDecoder, {}),
    "cnn max, other filters": (
        CNNPoolingDecoder,
        {
            "pooling": "max",
            "channels": (8, 6),
            "kernel_sizes": (7, 3),
            "strides": (3, 1),
        },
    ),
    "cnn and lstm": (CNNPoolingDecoder, {"rnn_layers": 1}),
    "attention": (RNNAttentionDecoder, {}),
    "attention, two layers": (RNNAttentionDecoder, {"num_layers": 2}),
    "statistics": (StatsPoolingDecoder, {}),
    "statistics, one head": (StatsPoolingDecoder, {"n_heads": 1, "channels": 6}),
}


@pytest.fixture(params=DECODERS, ids=list(DECODERS))
def decoder(request):
    torch.manual_seed(SEED + 1)
    cls, conf = DECODERS[request.param]
    return cls(CLASSES, encoder_output_size=D, **conf).double().eval()


@pytest.fixture
def batch():
    torch.manual_seed(SEED + 2)
    lengths = torch.tensor([7, 1, 13, 4])
    return torch.randn(4, 13, D, dtype=torch.float64), lengths


def test_padding_never_changes_the_output(decoder, batch):
    x, lengths = batch
    poisoned = torch.nn.functional.pad(x, (0, 0, 0, 5)).clone()
    for i, length in enumerate(lengths):
        poisoned[i, length:] = 1e3 * (i + 1)
    expected = torch.cat(
        [decoder(x[i : i + 1, :n], n[None]) for i, n in enumerate(lengths)]
    )
    torch.testing.assert_close(decoder(poisoned, lengths), expected)


def test_gradients_reach_every_parameter(decoder, batch):
    decoder(*batch).sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("lengths", [[7, 1, 13, 4], [1], [2, 2], [600, 3, 64, 65, 8]])
@pytest.mark.parametrize("rnn_layers", [0, 1])
@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize(
    "kernel_sizes, strides",
    [
        ((5, 5, 5), (2, 2, 2)),
        ((9, 1, 3), (1, 3, 2)),
        ((1, 1), (4, 4)),
        ((3, 7), (5, 1)),
    ],
)
def test_convolutions_train_on_what_the_padded_batch_gives(
    kernel_sizes, strides, pooling, rnn_layers, lengths
):
    torch.manual_seed(SEED + 4)
    decoder = CNNPoolingDecoder(
        CLASSES,
        D,
        channels=[8] * len(strides),
        kernel_sizes=kernel_sizes,
        strides=strides,
        pooling=pooling,
        rnn_layers=rnn_layers,
    ).double()
    x = torch.randn(len(lengths), max(lengths) + 3, D, dtype=torch.float64)
    for row, length in enumerate(lengths):
        x[row, length:] = 1e3
    found = []
    for training in (True, False):
        decoder.train(training).zero_grad()
        logits = decoder(x, torch.tensor(lengths))
        logits.square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in decoder.parameters()]
        found.append((logits.detach(), *gradients))
    torch.testing.assert_close(*found)


def test_score_equals_forward_on_one_utterance(decoder, batch):
    x = batch[0][0, :5]
    scores, state = decoder.score(ys=None, state=None, x=x)
    torch.testing.assert_close(scores, decoder(x[None], torch.tensor([5]))[0])
    assert state is None and decoder.output_size() == len(scores) == CLASSES


def lstm_states(rnn, x):
    """Run both directions of a bi-LSTM layer by its cell equations."""
    outputs = []
    for lstm, frames in ((rnn.forwards[0], x), (rnn.backwards[0], x.flip(0))):
        w_ih, w_hh, b_ih, b_hh = (
            getattr(lstm, f"{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = torch.zeros(w_hh.size(1), dtype=x.dtype)
        states = []
        for frame in frames:
            i, f, g, o = (w_ih @ frame + b_ih + w_hh @ h + b_hh).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        states = torch.stack(states)
        outputs.append(states if lstm is rnn.forwards[0] else states.flip(0))
    return torch.cat(outputs, dim=1)


def test_rnn_attention_equals_the_papers_formulas_for_each_utterance(batch):
    torch.manual_seed(SEED + 3)
    decoder = RNNAttentionDecoder(CLASSES, D, hidden_size=64, n_heads=8, head_size=32)
    decoder = decoder.double().eval()
    logits, attention = decoder.forward_with_attention(*batch)
    pooling = decoder.attention
    for b, length in enumerate(batch[1].tolist()):
        h = lstm_states(decoder.rnn, batch[0][b, :length])  # (T, d_k)
        heads = []
        for i in range(8):
            w_q, w_k, w_v = pooling.query[i][None], pooling.key[i], pooling.value[i]
            a = torch.softmax((w_q @ (w_k @ h.T)) / math.sqrt(32), dim=1)[0]
            heads.append(w_v @ h.T @ a)
            torch.testing.assert_close(attention[b, i, :length], a)
        expected = decoder.output.weight @ torch.cat(heads) + decoder.output.bias
        torch.testing.assert_close(logits[b], expected)


@pytest.mark.parametrize(
    "cls, n_heads", [(RNNAttentionDecoder, 8), (StatsPoolingDecoder, 4)]
)
def test_attention_is_zero_on_padding_and_sums_to_one(batch, cls, n_heads):
    decoder = cls(CLASSES, D).double()
    x, lengths = batch
    _, attention = decoder.forward_with_attention(x, lengths)
    assert decoder.has_attention and attention.shape == (4, n_heads, 13)
    torch.testing.assert_close(
        attention.sum(dim=2), torch.ones(4, n_heads, dtype=torch.float64)
    )
    for i, length in enumerate(lengths):
        assert (attention[i, :, length:] == 0).all()
        assert (attention[i, :, :length] > 0).all()


def test_statistics_are_the_weighted_means_and_deviations_of_each_utterance(batch):
    torch.manual_seed(SEED + 3)
    decoder = StatsPoolingDecoder(CLASSES, D, channels=10, n_heads=3).double().eval()
    logits, attention = decoder.forward_with_attention(*batch)
    hidden, _, scores = decoder.pooling.score
    for b, length in enumerate(batch[1].tolist()):
        h = batch[0][b, :length] @ decoder.project.weight.T + decoder.project.bias
        e = torch.tanh(h @ hidden.weight.T + hidden.bias) @ scores.weight.T  # (T, 3)
        means, deviations = [], []
        for i in range(3):
            a = torch.softmax(e[:, i], dim=0)
            torch.testing.assert_close(attention[b, i, :length], a)
            means.append(a @ h)
            variance = a @ (h - means[-1]) ** 2
            deviations.append(variance.clamp(min=MIN_VARIANCE).sqrt())
        statistics = torch.cat([*means, *deviations])
        expected = decoder.output.weight @ statistics + decoder.output.bias
        torch.testing.assert_close(logits[b], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_deviation_of_frames_that_are_alike_is_safe_in_every_type(dtype):
    torch.manual_seed(SEED + 3)
    decoder = StatsPoolingDecoder(CLASSES, D).to(dtype)
    # One frame; frames that are the same; large ones, whose squares float16 lacks.
    x = torch.zeros(3, 6, D, dtype=dtype)
    x[0, 0], x[1], x[2] = 3.0, 300.0, 400 * torch.randn(6, D)
    logits = decoder(x.requires_grad_(), torch.tensor([1, 6, 6]))
    logits.float().sum().backward()
    assert logits.dtype == dtype and logits.isfinite().all()
    assert x.grad.isfinite().all() and (x.grad[0, 1:] == 0).all()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_last_pooling_reads_the_last_valid_state_of_both_directions(batch):
    decoder = RNNPoolingDecoder(CLASSES, D, pooling="last").double().eval()
    x, lengths = batch
    for b, n in enumerate(lengths.tolist()):
        h = lstm_states(decoder.rnn, x[b, :n])
        last = torch.cat([h[-1, :64], h[0, 64:]])
        expected = decoder.output.weight @ last + decoder.output.bias
        torch.testing.assert_close(decoder(x, lengths)[b], expected)


def test_defaults_are_the_papers_sizes():
    decoder = RNNAttentionDecoder(4, 512)
    assert decoder.rnn.hidden_size == 64 and len(decoder.rnn.forwards) == 1
    assert decoder.attention.query.shape == (8, 32)
    assert decoder.output.in_features == 8 * 32


@pytest.mark.parametrize(
    "cls", [MLPPoolingDecoder, RNNPoolingDecoder, CNNPoolingDecoder]
)
def test_unknown_pooling_is_refused_with_the_valid_names(cls):
    with pytest.raises(ValueError, match="avg, max"):
        cls(CLASSES, D, pooling="mean")


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"channels": (8, 8)}, "same layers, but have 2, 3 and 3 values"),
        ({"kernel_sizes": (5, 4, 5)}, "kernel_sizes must be odd, but 4 is even"),
    ],
)
def test_convolutions_that_do_not_fit_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        CNNPoolingDecoder(CLASSES, encoder_output_size=D, **conf)
