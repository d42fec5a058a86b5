"""dtype auto takes what is measured to be faster, and says which."""

import itertools

import pytest
import torch

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.encoder import dtype as module
from espnet_sentiment.encoder.dtype import choose_dtype

CPU = torch.device("cpu")


@pytest.fixture
def encoder():
    return torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 32))


@pytest.fixture
def bfloat16(monkeypatch):
    """Let this processor have bfloat16, or not."""
    # No kernels of its own, so that any processor can run this.
    monkeypatch.setattr(module, "can_pack", lambda dtype: False)
    return lambda has: monkeypatch.setattr(module, "_has_bfloat16", lambda device: has)


def clock_of(float32, bfloat16):
    """Return a clock by which the products, which take turns, take these seconds."""
    spans = itertools.cycle([0.0, float32, 0.0, bfloat16])
    now = itertools.accumulate(spans)
    return lambda: next(now)


@pytest.mark.parametrize(
    ("float32", "bfloat16_takes", "taken"),
    [(2.0, 1.0, "bfloat16"), (1.0, 2.0, "float32"), (1.1, 1.0, "float32")],
)
def test_auto_takes_bfloat16_where_it_is_clearly_faster(
    encoder, bfloat16, float32, bfloat16_takes, taken
):
    bfloat16(True)
    clock = clock_of(float32, bfloat16_takes)
    found = choose_dtype("auto", encoder, CPU, clock)
    assert found.dtype == getattr(torch, taken)
    assert found.gain == pytest.approx(float32 / bfloat16_takes)


def test_auto_measures_on_one_thread_as_batches_are_computed(encoder, bfloat16):
    bfloat16(True)
    threads, before, ticks = set(), torch.get_num_threads(), itertools.count()

    def clock():
        threads.add(torch.get_num_threads())
        return next(ticks)

    torch.set_num_threads(3)
    try:
        choose_dtype("auto", encoder, CPU, clock)
        assert threads == {1} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_auto_measures_nothing_where_there_is_no_choice(encoder, bfloat16):
    def clock():
        raise AssertionError("measured")

    bfloat16(False)
    assert choose_dtype("auto", encoder, CPU, clock) == (torch.float32, None)
    bfloat16(True)
    lstm = torch.nn.LSTM(8, 8)
    assert choose_dtype("auto", lstm, CPU, clock) == (torch.float32, None)


def test_a_named_type_is_taken_unmeasured_and_others_are_refused(encoder):
    assert choose_dtype("float16", encoder, CPU) == (torch.float16, None)
    with pytest.raises(UserError, match="'int4'.*float32, float16, bfloat16, auto"):
        choose_dtype("int4", encoder, CPU)
