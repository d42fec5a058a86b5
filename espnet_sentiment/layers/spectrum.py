"""Mel spectra by one convolution: what front ends are where there is no FFT."""

import torch


class MelSpectrum(torch.nn.Module):
    """Samples (1, N) to powers of mel channels (1, T, F).

    All that comes before the power is linear in a window's samples, so it is one
    matrix, and a convolution applies it: exports and other hardware have that.

    Args:
        window: What a window of samples is multiplied by before the Fourier transform:
            a vector (W,), or a matrix (W, W) where more than that happens to it.
        n_fft: Size of the transform, W or more.
        hop: Samples between windows.
        mel: Weights (F, n_fft // 2 + 1) of the mel channels.
    """

    kernel: torch.Tensor
    mel: torch.Tensor

    def __init__(self, window: torch.Tensor, n_fft: int, hop: int, mel: torch.Tensor):
        super().__init__()
        size = len(window)
        bins, time = torch.arange(n_fft // 2 + 1), torch.arange(size)
        angles = (torch.outer(bins, time) % n_fft).double() * (2 * torch.pi / n_fft)
        transform = torch.cat([angles.cos(), angles.sin()])
        window = window.double()
        kernel = transform * window if window.dim() == 1 else transform @ window
        self.hop = hop
        self.register_buffer("kernel", kernel.float()[:, None])
        self.register_buffer("mel", mel.float())

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Compute the powers of whole windows."""
        x = torch.nn.functional.conv1d(samples[None], self.kernel, stride=self.hop)
        real, imaginary = x.chunk(2, dim=1)
        power = real.square() + imaginary.square()
        return (self.mel @ power).transpose(1, 2)


class Standardised(torch.nn.Module):
    """Scale an utterance (1, N) to zero mean and unit variance, then do what follows.

    Args:
        then: Maps the scaled samples (1, N).
        eps: Added to the variance.
    """

    def __init__(self, then: torch.nn.Module, eps: float):
        super().__init__()
        self.then, self.eps = then, eps

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return what follows makes of the scaled samples."""
        centred = samples - samples.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return self.then(centred / (variance + self.eps).sqrt())


class Transposed(torch.nn.Module):
    """Turn what a module gives, (B, F, T), into frames (B, T, F).

    Args:
        module: The module.
    """

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the frames."""
        return self.module(x).transpose(1, 2)
