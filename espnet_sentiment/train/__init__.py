"""Training of folds and of RNN-Ts."""
