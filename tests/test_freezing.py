"""Frozen means frozen: in training, in the optimiser and in checkpoints."""

import copy
import io

import pytest
import torch
import transformers
from seed import SEED

from espnet_sentiment.encoder.freezing import FrozenEncoder
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder_dir(tmp_path_factory):
    """Save a small FastConformer: it has batch norm, dropout and layer drop."""
    folder = tmp_path_factory.mktemp("parakeet")
    config = transformers.ParakeetEncoderConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        subsampling_conv_channels=8,
        dropout=0.5,
        activation_dropout=0.5,
        attention_dropout=0.5,
        layerdrop=0.5,
    )
    torch.manual_seed(SEED)
    transformers.ParakeetEncoder(config).save_pretrained(folder)
    transformers.ParakeetFeatureExtractor().save_pretrained(folder)
    return folder


class Classifier(torch.nn.Module):
    """A trainable head on a frozen encoder."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = FrozenEncoder(encoder)
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(self.encoder.output_size(), 3)

    def forward(self, feats, lengths):
        hidden, _, _ = self.encoder(feats, lengths)
        return self.head(self.dropout(hidden.mean(dim=1)))


@pytest.fixture
def encoder(encoder_dir):
    """Load the encoder and make it trainable, as it was before it was saved."""
    encoder = HuggingFaceEncoder(model=str(encoder_dir))
    return encoder.train().requires_grad_(True)


@pytest.fixture
def batch():
    torch.manual_seed(SEED)
    return torch.randn(4, 80, 80), torch.tensor([80, 75, 60, 33])


def train(model, batch, steps=5):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            model(*batch), torch.tensor([0, 1, 2, 0])
        )
        loss.backward()
        optimiser.step()
    return optimiser


def test_without_freezing_the_same_training_changes_the_encoder(encoder, batch):
    # The control: what the other tests forbid does happen to a bare encoder.
    before = copy.deepcopy(encoder.state_dict())
    first, second = encoder(*batch)[0], encoder(*batch)[0]
    assert not first.equal(second)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.1)
    second.square().sum().backward()
    optimiser.step()
    changed = {k for k, v in encoder.state_dict().items() if not v.equal(before[k])}
    assert any("running_mean" in key for key in changed)
    assert any(key.endswith("weight") for key in changed)


def test_training_changes_neither_weights_nor_batch_norm_statistics(encoder, batch):
    before = copy.deepcopy(encoder.state_dict())
    assert any("running_var" in key for key in before)
    model = Classifier(encoder)
    head = model.head.weight.detach().clone()
    train(model, batch)
    for key, value in encoder.state_dict().items():
        assert value.equal(before[key]), key
    assert not model.head.weight.equal(head)


def test_training_mode_of_the_parent_leaves_dropout_off(encoder, batch):
    model = Classifier(encoder)
    expected, _, _ = encoder(*batch)
    for mode in (True, False, True):
        model.train(mode)
        assert not any(module.training for module in encoder.modules())
        torch.testing.assert_close(model.encoder(*batch)[0], expected)
    assert model.dropout.training


def test_no_gradient_and_no_activation_is_kept(encoder, batch):
    model = Classifier(encoder)
    feats = batch[0].requires_grad_(True)
    saved = []

    def pack(tensor):
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden, _, _ = model.encoder(feats, batch[1])
        assert not hidden.requires_grad
        assert saved == []
    train(model, (feats, batch[1]), steps=1)
    assert feats.grad is None
    assert all(p.grad is None and not p.requires_grad for p in encoder.parameters())


def test_optimiser_and_checkpoint_hold_the_head_alone(encoder, batch):
    model = Classifier(encoder)
    optimiser = train(model, batch)
    assert list(model.state_dict()) == ["head.weight", "head.bias"]
    assert [p.shape for p in model.parameters()] == [(3, 16), (3,)]
    assert len(optimiser.state_dict()["state"]) == 2
    assert all(module is not encoder for module in model.modules())


def test_checkpoint_restores_into_a_new_model(encoder, encoder_dir, batch):
    model = Classifier(encoder)
    train(model, batch)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    other = Classifier(HuggingFaceEncoder(model=str(encoder_dir)))
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    torch.testing.assert_close(other.eval()(*batch), model.eval()(*batch))


def test_encoder_follows_its_parent_to_another_type_and_device(encoder, batch):
    model = Classifier(encoder)
    model.double()
    assert {p.dtype for p in encoder.parameters()} == {torch.float64}
    assert model.encoder(batch[0].double(), batch[1])[0].dtype == torch.float64
    model.to("meta")
    assert {p.device.type for p in encoder.parameters()} == {"meta"}


def test_unfreezing_or_initialising_the_parent_does_not_reach_it(encoder):
    before = copy.deepcopy(encoder.state_dict())
    model = Classifier(encoder)
    model.requires_grad_(True)
    assert not any(p.requires_grad for p in encoder.parameters())
    model.apply(
        lambda m: [torch.nn.init.zeros_(p) for p in m.parameters(recurse=False)]
    )
    for key, value in encoder.state_dict().items():
        assert value.equal(before[key])


def test_a_front_end_is_frozen_alike(encoder, batch):
    frontend = FrozenEncoder(encoder.frontend)
    waves = torch.randn(2, 4000)
    feats, lengths = frontend.train()(waves, torch.tensor([4000, 3000]))
    expected, _ = encoder.frontend(waves, torch.tensor([4000, 3000]))
    torch.testing.assert_close(feats, expected)
    assert frontend.output_size() == 80
    assert not encoder.frontend.training


def test_checkpoint_on_whisper_base_is_small(whisper_dir):
    encoder = HuggingFaceEncoder(model=str(whisper_dir), layer=3)
    model = Classifier(encoder)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    assert sum(p.numel() for p in encoder.parameters()) > 10_000_000
    assert len(file.getvalue()) < 10_000
