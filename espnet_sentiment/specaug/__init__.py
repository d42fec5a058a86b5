"""SpecAugment: masking and time warping of features, vectorised over the batch."""
