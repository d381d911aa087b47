"""The shape of a network."""

from __future__ import annotations

from typing import NamedTuple

from fastlstm.core.options import OF_IDS
from fastlstm.kernels.arguments import CELLS, cell_width
from fastlstm.kernels.contract import POOLING
from fastlstm.network.layers import lstm, pooling

POOLINGS = (*POOLING, "attention")
CELL_NAMES = tuple(CELLS)

# What a segment begins with, and whether gradients go back into the one before it.
SEGMENT_STATES = ("fresh", "carried", "truncated")


class ModelConfig(NamedTuple):
    """The shape of a network; together with its weights it is a model.

    ``n_outputs`` is 1 for two classes (one logit) and the number of classes else. Of
    ``vocabulary_size`` ids the last ``n_ngrams`` stand for n-grams. Documents of more than
    ``segment_length`` tokens are read in segments; 0 reads them whole. ``segment_state`` says
    whether a segment begins anew or with the state of the one before it. ``n_side`` numbers
    beside each document join its pooled vector; ``side_dropout`` is theirs.
    ``n_step_features`` numbers beside each token join its vector; ``n_gaps`` of them say what is
    missing, and as many, at the end, since when (``fastlstm.side.steps``). ``by_step`` says
    whether each token is classified, and not the document.
    """

    vocabulary_size: int
    embedding_dim: int = OF_IDS.embedding_dim
    hidden_size: int = OF_IDS.hidden_size
    num_layers: int = OF_IDS.num_layers
    bidirectional: bool = OF_IDS.bidirectional
    pooling: str = OF_IDS.pooling
    n_outputs: int = 1
    dropout: float = 0.0
    embedding_dropout: float = 0.0
    n_ngrams: int = 0
    segment_length: int = 0
    n_side: int = 0
    side_dropout: float = 0.0
    n_step_features: int = 0
    n_gaps: int = 0
    by_step: bool = False
    cell: str = "lstm"
    segment_state: str = "fresh"

    @property
    def n_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def output_width(self) -> int:
        """Width of a layer's output."""
        return self.n_directions * self.hidden_size

    @property
    def n_gates(self) -> int:
        return CELLS[self.cell]

    @property
    def cell_width(self) -> int:
        """Numbers that a cell hands on beside its output."""
        return cell_width(self.n_gates, self.hidden_size)

    @property
    def cut_length(self) -> int:
        """Tokens of a sequence at most; 0 keeps documents whole, with all states handed on."""
        return self.segment_length if self.segment_state == "fresh" else 0

    @property
    def border(self) -> int:
        """Steps between which no gradient of a state goes back; 0 where all do."""
        return self.segment_length if self.segment_state == "truncated" else 0

    @property
    def has_attention(self) -> bool:
        return self.pooling == "attention" and not self.by_step

    @property
    def pooled_width(self) -> int:
        return self.output_width if self.by_step else pooling.width(self.pooling, self.output_width)

    @property
    def n_inputs(self) -> int:
        """Numbers that the first layer reads at each step: a token's vector, and its features."""
        return self.embedding_dim + self.n_step_features

    @property
    def head_width(self) -> int:
        """Numbers that the dense layer reads: the pooled vector, and those beside the document."""
        return self.pooled_width + self.n_side

    def dense_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every weight but the embedding, in storage order."""
        shapes: dict[str, tuple[int, ...]] = {}
        gates = self.n_gates * self.hidden_size
        for layer in range(self.num_layers):
            n_inputs = self.n_inputs if layer == 0 else self.output_width
            for direction in lstm.DIRECTIONS[: self.n_directions]:
                prefix = f"lstm.{layer}.{direction}"
                shapes[f"{prefix}.w_x"] = (n_inputs, gates)
                shapes[f"{prefix}.w_h"] = (self.hidden_size, gates)
                shapes[f"{prefix}.b"] = (gates,)
        shapes["dense.w"] = (self.head_width, self.n_outputs)
        shapes["dense.b"] = (self.n_outputs,)
        if self.has_attention:
            shapes["attention.w"] = (self.output_width,)
        return shapes
