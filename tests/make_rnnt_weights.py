"""Train the small RNN-T of asr_fixtures.py: ``python tests/make_rnnt_weights.py``.

It learns to write AN4's three utterances of one word, alone and in pairs, a letter
after another while the word is spoken. Its weights are stored because a training ends
elsewhere on another processor. Decoding them does not: the script prints by how much
the likeliest symbol leads in the closest decision of all utterances, which rounding
errors of about 1e-5 must not turn round.
"""

import itertools
import tempfile
from pathlib import Path

import kaldiio
import torch
from asr_fixtures import WEIGHTS, Corpus, write_data, write_experiment
from conftest import unpack_an4
from safetensors.torch import save_file

from espnet_sentiment.core.files import read_table
from espnet_sentiment.tasks.rnnt import RNNTTask

UPDATES = 600
QUIET = 4.0  # below the loudest frame, in units of the mean log-mel energy


def encoder_frames(feats, text, reduction):
    """Return when each character is written: evenly over what is loud."""
    energy = feats.mean(dim=1)
    loud = (energy > energy.max() - QUIET).nonzero().squeeze(1)
    first, last = int(loud[0]), int(loud[-1])
    steps = (torch.arange(len(text)) + 0.5) / len(text)
    return [int(first + step * (last - first)) // reduction for step in steps]


def example(feats, texts, utts, tokens, reduction):
    """Return features, labels, and the frame of every label, of utterances in a row."""
    labels, frames, begin = [], [], 0
    for utt in utts:
        at = encoder_frames(feats[utt], texts[utt], reduction)
        if labels:
            # The space comes with the next word.
            labels.append(tokens.index("<space>"))
            frames.append(begin // reduction + at[0])
        labels += [tokens.index(c) for c in texts[utt]]
        frames += [begin // reduction + t for t in at]
        begin += len(feats[utt])
    return torch.cat([feats[utt] for utt in utts]), labels, frames


def path_targets(labels, frames, n_frames):
    """Return what is written at each node of the lattice, -100 off the path."""
    targets = torch.full((n_frames, len(labels) + 1), -100)
    written = 0
    for t in range(n_frames):
        while written < len(labels) and frames[written] <= t:
            targets[t, written] = labels[written]
            written += 1
        targets[t, written] = 0
    return targets


def path_loss(model, speech, labels, frames):
    """Return the negative log likelihood of one path."""
    # ESPnet normalises in place.
    encoded, _ = model.encode(speech.clone()[None], torch.tensor([len(speech)]))
    decoded = model.decoder(torch.tensor([[0, *labels]]))
    logits = model.joint_network(encoded[0][:, None], decoded)
    targets = path_targets(labels, frames, len(logits))
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="sum"
    )


def smallest_lead(model, feats):
    """Decode utterances; return the smallest lead of a best symbol on the next."""
    leads = []

    def look(joint, inputs, logits):
        best = logits.reshape(-1, logits.size(-1)).topk(2).values
        leads.append(float((best[:, 0] - best[:, 1]).min()))

    hook = model.joint_network.register_forward_hook(look)
    for x in feats:
        model.decode(x.clone()[None], torch.tensor([len(x)]))
    hook.remove()
    return min(leads)


def main():
    """Train, round and store."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder))
        texts = write_data(corpus, unpack_an4(Path(folder) / "an4"))
        args = write_experiment(corpus, texts)
        scp = read_table(corpus.fbank / "feats.scp")
        feats = {utt: torch.tensor(kaldiio.load_mat(path)) for utt, path in scp.items()}
        torch.manual_seed(0)
        model = RNNTTask.build_model(args)
    alone, pairs = [(utt,) for utt in texts], itertools.permutations(texts, 2)
    examples = [
        example(feats, texts, utts, args.token_list, model.encoder.reduction)
        for utts in (*alone, *pairs)
    ]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(UPDATES):
        loss = sum(path_loss(model, *x) for x in examples) / len(examples)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = {name: x.half() for name, x in model.state_dict().items()}
    model.load_state_dict(weights)
    model.eval()
    print(f"loss {loss.item():.4f}, lead {smallest_lead(model, feats.values()):.4f}")
    for utt, text in texts.items():
        x = feats[utt]
        (found,) = model.decode(x.clone()[None], torch.tensor([len(x)]))
        print(f"{utt}: {text} is recognised as {model.to_text(found)}")
    save_file(weights, WEIGHTS)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
