"""The RNN Transducer that gives the encoder (paper, Sections 2.1 and 3.1)."""

from collections.abc import Sequence

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.postencoder.abs_postencoder import AbsPostEncoder
from espnet2.asr.preencoder.abs_preencoder import AbsPreEncoder
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer
from espnet2.asr_transducer.joint_network import JointNetwork
from espnet2.layers.abs_normalize import AbsNormalize
from torchaudio.functional import edit_distance
from typeguard import typechecked

from espnet_sentiment.model.rnnt_greedy import greedy_search
from espnet_sentiment.model.rnnt_loss import RNNTLoss

PROBE = 800  # frames, on which an encoder's frame-rate reduction is measured


class RNNTModel(ESPnetASRModel):
    """ESPnet's ASR model as a transducer with our criterion.

    ESPnet's own asks for warp-transducer once it is given a joint network, so the
    joint network is put in afterwards. The loss is the transducer's plus
    ``ctc_weight`` times the auxiliary CTC's.

    Args:
        vocab_size: Tokens V.
        token_list: The tokens, the blank first.
        frontend: Audio (B, N) to frames; none if features are given.
        specaug: Augments the frames while training.
        normalize: Normalises the frames.
        preencoder: See ESPnet.
        encoder: Frames to (B, T, D).
        postencoder: See ESPnet.
        decoder: Prediction network.
        ctc: Auxiliary CTC on the encoder, used if ``ctc_weight`` is above 0.
        joint_network: Joint network.
        ctc_weight: Weight of the auxiliary CTC loss, within 0 and 1.
        report_cer: Decode while validating and report the character error rate.
        report_wer: The same for words.
        ignore_id: What targets are padded with.
        sym_space: Token of the space.
        sym_blank: Token of the blank.
        extract_feats_in_collect_stats: See ESPnet.

    Raises:
        ValueError: The blank is not the first token.
    """

    @typechecked
    def __init__(
        self,
        vocab_size: int,
        token_list: Sequence[str],
        frontend: AbsFrontend | None,
        specaug: AbsSpecAug | None,
        normalize: AbsNormalize | None,
        preencoder: AbsPreEncoder | None,
        encoder: AbsEncoder,
        postencoder: AbsPostEncoder | None,
        decoder: TransducerDecoder,
        ctc: CTC,
        joint_network: JointNetwork,
        ctc_weight: float = 0.0,
        report_cer: bool = False,
        report_wer: bool = False,
        ignore_id: int = -1,
        sym_space: str = "<space>",
        sym_blank: str = "<blank>",
        extract_feats_in_collect_stats: bool = True,
    ):
        # ESPnet's decoder and CTC both take index 0 for the blank.
        if not token_list or token_list[0] != sym_blank:
            raise ValueError(
                f"the first token must be the blank {sym_blank}, not "
                f"{token_list[0] if token_list else 'an empty list'}: fix the token "
                "list"
            )
        super().__init__(
            vocab_size=vocab_size,
            token_list=list(token_list),
            frontend=frontend,
            specaug=specaug,
            normalize=normalize,
            preencoder=preencoder,
            encoder=encoder,
            postencoder=postencoder,
            decoder=decoder,
            ctc=ctc,
            joint_network=None,
            ctc_weight=ctc_weight,
            ignore_id=ignore_id,
            report_cer=False,
            report_wer=False,
            sym_space=sym_space,
            sym_blank=sym_blank,
            extract_feats_in_collect_stats=extract_feats_in_collect_stats,
        )
        del self.criterion_att
        self.joint_network = joint_network
        self.use_transducer_decoder = True
        self.criterion_transducer = RNNTLoss(self.blank_id)
        self.error_calculator_trans = None
        self.report_cer = report_cer
        self.report_wer = report_wer
        self.sym_space = sym_space

    def _calc_transducer_loss(
        self,
        encoder_out: torch.Tensor,
        encoder_out_lens: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[torch.Tensor, float | None, float | None]:
        loss, _, _ = super()._calc_transducer_loss(
            encoder_out, encoder_out_lens, labels
        )
        if self.training or not (self.report_cer or self.report_wer):
            return loss, None, None
        cer, wer = self.error_rates(encoder_out, encoder_out_lens, labels)
        return loss, cer if self.report_cer else None, wer if self.report_wer else None

    def error_rates(
        self,
        encoder_out: torch.Tensor,
        encoder_out_lens: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[float, float]:
        """Return CER and WER of a batch, decoded greedily.

        Unlike ESPnet's error calculator it leaves padding undecoded, and a batch
        without any reference has no rate (NaN).

        Args:
            encoder_out: Encoder's output (B, T, D).
            encoder_out_lens: Its lengths (B,).
            labels: Token indices (B, U), padded with ``ignore_id``.
        """
        hyps = greedy_search(
            self.decoder, self.joint_network, encoder_out, encoder_out_lens
        )
        pairs = [
            (self.to_text(hyp), self.to_text(ref[ref != self.ignore_id].tolist()))
            for hyp, ref in zip(hyps, labels, strict=True)
        ]
        return _error_rate(pairs), _error_rate(
            [(hyp.split(), ref.split()) for hyp, ref in pairs]
        )

    @torch.no_grad()
    def decode(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        beam_size: int = 1,
        **search_conf,
    ) -> list[list[int]]:
        """Recognise a batch.

        Args:
            speech: Audio (B, N), or features (B, T, F) without a front end.
            speech_lengths: Valid samples or frames (B,).
            beam_size: 1 decodes greedily, the batch at once; more runs ESPnet's beam
                search, one utterance after another.
            search_conf: Options of :func:`greedy_search` or ESPnet's
                ``BeamSearchTransducer``.

        Returns:
            Token indices of every utterance, without blanks.

        Raises:
            RuntimeError: The model is in training mode.
        """
        if self.training:
            raise RuntimeError("decoding needs evaluation mode: call model.eval()")
        encoder_out, lengths = self.encode(speech, speech_lengths)
        if beam_size == 1:
            return greedy_search(
                self.decoder, self.joint_network, encoder_out, lengths, **search_conf
            )
        search = BeamSearchTransducer(
            self.decoder, self.joint_network, beam_size, **search_conf
        )
        return [
            search(x[:length])[0].yseq[1:]
            for x, length in zip(encoder_out, lengths.tolist(), strict=True)
        ]

    def to_text(self, tokens: Sequence[int]) -> str:
        """Join token indices to a text; graphemes and sentencepieces alike."""
        text = "".join(self.token_list[token] for token in tokens)
        return text.replace(self.sym_space, " ").replace("\u2581", " ").strip()


def _error_rate(pairs: Sequence[tuple[Sequence, Sequence]]) -> float:
    total = sum(len(ref) for _, ref in pairs)
    if total == 0:
        # None would leave this process out of an average over processes.
        return float("nan")
    return sum(edit_distance(hyp, ref) for hyp, ref in pairs) / total


@torch.no_grad()
def frame_reduction(model) -> float:
    """Return how many frames of the input become one of the encoder."""
    frames = torch.zeros(1, PROBE, 80)
    _, lengths = model.encode(frames, torch.tensor([PROBE]))
    return PROBE / int(lengths)
