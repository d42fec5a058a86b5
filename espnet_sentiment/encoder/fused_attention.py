"""Self-attention whose queries, keys and values are one matrix product.

transformers makes three products and copies what each gives. In float32 the numbers are
the same to rounding, and the bits where a head has a power of 4 channels.
"""

from typing import Any

import torch

from espnet_sentiment.compat import computes_by_sdpa

# transformers' modules that compute nothing else than this one.
KINDS = ("WhisperAttention", "Wav2Vec2Attention", "HubertAttention")


class FusedAttention(torch.nn.Module):
    """Scaled dot-product attention of frames on each other (Vaswani et al., 2017).

    Args:
        attention: One of ``KINDS``; its output's layer is shared.
    """

    def __init__(self, attention: Any):
        super().__init__()
        parts = attention.q_proj, attention.k_proj, attention.v_proj
        weight = torch.cat([part.weight.detach() for part in parts])
        # Whisper's keys have no bias.
        biases = [
            part.weight.new_zeros(len(part.weight))
            if part.bias is None
            else part.bias.detach()
            for part in parts
        ]
        self.qkv = torch.nn.Linear(weight.size(1), len(weight), device="meta")
        self.qkv.weight = torch.nn.Parameter(weight, False)
        self.qkv.bias = torch.nn.Parameter(torch.cat(biases), False)
        self.out_proj: torch.nn.Module = attention.out_proj
        self.num_heads: int = attention.num_heads
        self.scale: float = attention.scaling

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, None]:
        """Attend as the module does that it stands for.

        Args:
            hidden_states: Frames (B, T, D).
            attention_mask: Where to look (B, 1, T, T), or what is added to the scores.
            **kwargs: What transformers hands down for other kinds of attention.

        Returns:
            Frames (B, T, D); None, for weights that nobody reads.
        """
        heads = self.qkv(hidden_states).unflatten(-1, (3, self.num_heads, -1))
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        out = torch.nn.functional.scaled_dot_product_attention(
            queries, keys, values, attention_mask, scale=self.scale
        )
        return self.out_proj(out.transpose(1, 2).flatten(2)), None


def fuse_attention(module: torch.nn.Module) -> None:
    """Replace the self-attention of a frozen module, where it is of a known kind.

    Args:
        module: In evaluation mode; changed in place.
    """
    for name, child in module.named_children():
        if _is_known(child):
            setattr(module, name, FusedAttention(child))
        else:
            fuse_attention(child)


def _is_known(module: Any) -> bool:
    """Tell whether a module is one of ``KINDS``, and computes as PyTorch does."""
    kind = type(module)
    return (
        kind.__name__ in KINDS
        and kind.__module__.startswith("transformers.models.")
        and not module.is_decoder
        and computes_by_sdpa(module)
    )
