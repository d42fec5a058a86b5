"""Chance by name."""

from espnet_sentiment.core.chance import seed_of


def test_a_name_has_the_same_seed_on_every_machine():
    # The first eight bytes of SHA-256 of "abc" (FIPS 180-2, appendix B.1), reversed.
    assert seed_of("abc") == 0xEACF018FBF1678BA


def test_names_that_differ_have_seeds_that_differ():
    assert len({seed_of(f"utt{number}") for number in range(1000)}) == 1000
