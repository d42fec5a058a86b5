"""The paper's encoder: sizes, frame rate and padding."""

import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from seed import SEED

from espnet_sentiment.encoder.conv_blstm import ConvBLSTMEncoder

SMALL = {
    "conv_channels": 6,
    "lstm_layers": 2,
    "lstm_units": 4,
    "projection_size": 10,
}


def small_encoder(**options):
    torch.manual_seed(SEED)
    return ConvBLSTMEncoder(5, **{**SMALL, **options}).eval()


def test_eight_frames_become_one_for_every_length():
    encoder = small_encoder()
    for length in range(8, 41):
        output, lengths, _ = encoder(torch.randn(1, length, 5), torch.tensor([length]))
        assert lengths.tolist() == [length // 8]
        assert output.shape == (1, length // 8, encoder.output_size())


def test_other_pools_and_depths_reduce_by_their_power():
    encoder = small_encoder(macro_layers=2, pool_width=3)
    output, lengths, _ = encoder(torch.randn(1, 29, 5), torch.tensor([29]))
    assert lengths.tolist() == [3] and output.shape[1] == 3


def test_outputs_do_not_depend_on_padding():
    encoder = small_encoder()
    frames = torch.tensor([8, 40, 15, 23, 16, 31])
    batch = torch.randn(len(frames), 57, 5)
    batch[torch.arange(57) >= frames[:, None]] = float("nan")
    output, lengths, _ = encoder(batch, frames)
    assert lengths.tolist() == (frames // 8).tolist()
    assert output.shape[1] == 5
    for x, y, length in zip(batch, output, frames.tolist(), strict=True):
        alone, _, _ = encoder(x[None, :length], torch.tensor([length]))
        torch.testing.assert_close(y[: length // 8], alone[0])
        assert (y[length // 8 :] == 0).all()


def test_gradients_do_not_reach_padding():
    encoder = small_encoder()
    batch = torch.randn(2, 24, 5, requires_grad=True)
    output, _, _ = encoder(batch, torch.tensor([24, 17]))
    output.square().sum().backward()
    assert (batch.grad[1, 17:] == 0).all() and (batch.grad[1, :17] != 0).any()


def test_the_papers_sizes_have_the_parameters_that_the_docstring_explains():
    with torch.device("meta"):
        encoder = ConvBLSTMEncoder(80)
        bare = ConvBLSTMEncoder(80, layer_norm=False)
    count = sum(p.numel() for p in bare.parameters())
    convolutions = 205_312 + 2 * 3_932_672
    lstms = 3 * (4_202_496 + 2 * 8_396_800)
    assert count == convolutions + lstms + 9 * 1_574_400 == 85_228_544
    assert f"{count:,}" in ConvBLSTMEncoder.__doc__
    assert sum(p.numel() for p in encoder.parameters()) == count + 27_648
    assert encoder.output_size() == 1536
    lstm = encoder.macros[2].lstms[2]
    assert (lstm.forwards[0].input_size, lstm.hidden_size) == (1536, 512)
    conv = encoder.macros[0].conv
    assert (conv.kernel_size, conv.stride, conv.out_channels) == ((5,), (1,), 512)


def test_an_utterance_of_less_than_eight_frames_is_named():
    batch, lengths = torch.randn(2, 20, 5), torch.tensor([20, 7])
    with pytest.raises(TooShortUttError, match="utterance 1 .* has 7 frames") as error:
        small_encoder()(batch, lengths)
    assert (error.value.actual_size, error.value.limit) == (7, 8)


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="pool_width is 0: it must be 1 or more"):
        small_encoder(pool_width=0)


def test_dropout_acts_in_training_only():
    encoder = small_encoder(dropout=0.5)
    batch, lengths = torch.randn(1, 32, 5), torch.tensor([32])
    evaluated = [encoder(batch, lengths)[0] for _ in range(2)]
    trained = [encoder.train()(batch, lengths)[0] for _ in range(2)]
    assert torch.equal(*evaluated) and not torch.equal(*trained)
