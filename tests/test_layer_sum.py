"""The learned mixture of layers."""

import torch

from espnet_sentiment.layers.layer_sum import WeightedLayerSum


def test_layers_start_with_equal_weights_and_are_laid_out_one_after_another():
    x = torch.randn(2, 5, 3 * 4)
    expected = (x[..., :4] + x[..., 4:8] + x[..., 8:]) / 3
    torch.testing.assert_close(WeightedLayerSum(3)(x), expected)


def test_one_layer_passes_and_has_no_parameters():
    x = torch.randn(2, 5, 4)
    layer_sum = WeightedLayerSum(1)
    assert layer_sum(x) is x and not list(layer_sum.parameters())


def test_a_few_hundred_steps_find_the_layer_that_matters():
    torch.manual_seed(0)
    layer_sum = WeightedLayerSum(8)
    optimiser = torch.optim.Adam(layer_sum.parameters(), lr=1e-3)
    for _ in range(300):
        x = torch.randn(16, 1, 8, 4)
        loss = (layer_sum(x.flatten(2)) - x[:, :, 2]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert layer_sum.weights.argmax() == 2 and layer_sum.weights[2] > 0.8
    torch.testing.assert_close(layer_sum.weights.sum(), torch.tensor(1.0))
