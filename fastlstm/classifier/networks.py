"""The networks of a model: their first weights, and their training, each on its own part."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastlstm.classifier.data import FitData, LabelledDocuments
from fastlstm.classifier.fitted import FittedModel
from fastlstm.classifier.held_out import HeldOutPart
from fastlstm.core.lengths import settled_reading
from fastlstm.core.options import Options
from fastlstm.core.progress import Bar
from fastlstm.core.random import make_streams
from fastlstm.core.threads import ShardPool, Turns, effective_n_jobs
from fastlstm.kernels.contract import Kernels
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import Parameters, init_parameters
from fastlstm.privacy.training import NoisySums, Plan
from fastlstm.text.ngrams import NGrams
from fastlstm.training.callbacks import Callback, progress_bars
from fastlstm.training.continuing import continued
from fastlstm.training.engine import GradientEngine, LabelledSequences, pool_for
from fastlstm.training.history import EpochRecord, History
from fastlstm.training.interrupts import Guard, Relay
from fastlstm.training.loop import Trainer, TrainingState
from fastlstm.vectors.given import Coverage, WordVectors, with_plainer_forms
from fastlstm.vectors.learned import skip_gram

# max_epochs="auto": as many epochs as show the network about this many documents, but
# not more than some; and in any case some steps, within bounds. Small sets need more
# epochs, large ones overfit.
_AUTO_DOCUMENTS = 60_000
_ENOUGH_EPOCHS = 20
_AUTO_STEPS = 400
_AUTO_EPOCHS = (2, 60)

# Of the tokens that occur once in the training data, this share is read as unknown.
_UNKNOWN_SHARE = 0.5

# Working memory, in bytes, that is kept for the next call of ``partial_fit``.
_SPARE_BYTES = 16 << 20

# Networks are begun before there is a thread for them where all together take no more.
_BYTES_AT_ONCE = 512 << 20

# Share of the numbers beside documents that each step of training leaves out.
_SIDE_DROPOUT = 0.2

# Standard deviation of word vectors, as the embedding begins with them.
_VECTOR_DEVIATION = 0.1


class Job(NamedTuple):
    """What everything in one fit reads.

    Attributes
    ----------
    k : Kernels
    data : FitData
    options : Options
    seed : int
    ngrams : NGrams
    config : ModelConfig
    guard : Guard
        Asked whether to stop.
    plan : Plan or None
        Of noisy steps, where a promise of privacy is to be kept.
    """

    k: Kernels
    data: FitData
    options: Options
    seed: int
    ngrams: NGrams
    config: ModelConfig
    guard: Guard
    plan: Plan | None = None

    @property
    def n_threads(self) -> int:
        return effective_n_jobs(self.options.n_jobs)

    def labelled(self, documents: LabelledDocuments) -> LabelledSequences:
        """Labelled documents as the network reads them, with ids of n-grams."""
        sequences = self.ngrams.longest(documents.encoded.sequences)
        return LabelledSequences(sequences, *documents[1:])


class FirstVectors(NamedTuple):
    """What vectors of tokens begin with.

    Attributes
    ----------
    rows : float32 array, shape (n_tokens, embedding_dim)
    found : bool array, shape (n_tokens,)
        Which tokens have one.
    """

    rows: np.ndarray
    found: np.ndarray


def make_config(options: Options, data: FitData, ngrams: NGrams) -> ModelConfig:
    """The shape of the networks.

    Raises
    ------
    ValueError
        If parameters contradict each other.
    """
    steps = data.steps
    if options.segment_state == "truncated" and options.segment_length is None:
        raise ValueError(
            'segment_state="truncated" lets no gradient back over the borders of segments, and '
            'segment_length=None has none. Set segment_length, or segment_state="carried".'
        )
    pooling, segment_state = settled_reading(
        options.pooling, options.segment_state, data.read.lengths
    )
    # Without tokens, all steps share a vector of one number.
    embedding_dim = options.embedding_dim if steps is None or steps.has_tokens else 1
    return ModelConfig(
        vocabulary_size=data.n_tokens + len(ngrams),
        embedding_dim=int(embedding_dim),
        hidden_size=int(options.hidden_size),
        num_layers=int(options.num_layers),
        bidirectional=bool(options.bidirectional),
        pooling=pooling,
        n_outputs=data.n_outputs,
        dropout=float(options.dropout),
        embedding_dropout=float(options.embedding_dropout),
        n_ngrams=len(ngrams),
        segment_length=int(options.segment_length or 0),
        n_side=data.n_side,
        side_dropout=_SIDE_DROPOUT if data.n_side else 0.0,
        n_step_features=0 if steps is None else steps.n_columns,
        n_gaps=0 if steps is None else steps.n_gaps,
        by_step=data.train.by_step,
        cell=options.cell,
        segment_state=segment_state,
    )


def check_same_network(old: ModelConfig, new: ModelConfig) -> None:
    """Refuse to go on with weights of another shape than the parameters say.

    Raises
    ------
    ValueError
        Names the first parameter that differs.
    """
    before, after = old._asdict(), new._asdict()
    changed = [name for name in before if before[name] != after[name] and "dropout" not in name]
    if changed:
        name, now, was = changed[0], after[changed[0]], before[changed[0]]
        if name == "by_step":
            name, (now, was) = "targets", (("documents", "steps")[v] for v in (now, was))
        raise ValueError(
            f"{name} is now {now!r}, but the fitted network has {was!r}. Set it "
            "back to go on with these weights, or fit anew with warm_start=False."
        )


def first_vectors(
    k: Kernels, data: FitData, options: Options, seed: int, guard: Guard, bar: Bar
) -> tuple[FirstVectors | None, Coverage | None]:
    """Vectors of all tokens to begin with, and their coverage; None for either that is not.

    Parameters
    ----------
    bar : callable
        See ``task_bars``.

    Returns
    -------
    vectors : FirstVectors or None
    coverage : Coverage or None

    Raises
    ------
    ValueError
        If given vectors do not fit the parameters or the documents.
    """
    source, coverage = options.word_vectors, None
    if source is None:
        return None, None
    if data.steps is not None and not data.steps.has_tokens:
        raise ValueError(f"word_vectors={source!r} are of tokens, and X has no tokens. Use None.")
    if isinstance(source, str) and source == "skipgram":
        streams = make_streams(seed)
        with bar("word vectors") as show:

            def report(share: float) -> None:
                guard.check()
                if show is not None:
                    show(share)

            rows = skip_gram(
                k, data.read, data.n_tokens, int(options.embedding_dim), streams.word_vectors,
                report=report,
            )  # fmt: skip
        found = np.ones(len(rows), dtype=bool)
    else:
        rows, found, coverage = _given_vectors(source, data, options.verbose)
        if rows.shape[1] != options.embedding_dim:
            raise ValueError(
                f"the word vectors have {rows.shape[1]} numbers each and embedding_dim is "
                f"{options.embedding_dim}. Set embedding_dim={rows.shape[1]}."
            )
    deviation = float(rows[found].std()) if found.any() else 0.0
    scaled = rows * np.float32(_VECTOR_DEVIATION / max(deviation, 1e-12))
    return FirstVectors(scaled, found), coverage


def _given_vectors(
    source: Any, data: FitData, verbose: int
) -> tuple[np.ndarray, np.ndarray, Coverage]:
    if data.encoder is None:
        raise ValueError(
            f"word_vectors={source!r} are vectors of words, and X holds token ids. "
            'Use LSTMSentimentClassifier, "skipgram", or None.'
        )
    if isinstance(source, str) and not os.path.exists(source):
        raise ValueError(f'word_vectors={source!r} is neither "skipgram" nor a file.')
    known = data.encoder.vocabulary.tokens[: data.n_tokens]
    counts = np.bincount(data.read.ids, minlength=len(known))
    wanted = with_plainer_forms(data.encoder.known())
    found = WordVectors.of(source, wanted).table(known, counts)
    if verbose:
        print(f"word vectors: {found[2]}", file=sys.stderr)
    if not found[2].n_found:
        warnings.warn(
            f"none of the {found[2].n_tokens:,} tokens has a vector in word_vectors, so all begin "
            f"at random; the most frequent are {', '.join(map(repr, found[2].missing[:5]))}. Take "
            "vectors of the same language, and a tokenizer that divides as they were made.",
            stacklevel=2,
        )
    return found


def fresh_state(job: Job, number: int, seed: int, vectors: FirstVectors | None) -> TrainingState:
    """Network ``number`` before training.

    Raises
    ------
    MemoryError
        Names the parameters that make it large.
    """
    streams, options = make_streams(seed + number), job.options
    try:
        parameters = init_parameters(
            job.config, streams, parents=job.ngrams.parents, forget_bias=job.options.forget_bias
        )
    except (MemoryError, ValueError) as error:
        raise MemoryError(
            f"a network of this size does not fit into memory ({error}): lower "
            f"hidden_size={options.hidden_size}, embedding_dim={options.embedding_dim}, "
            f"num_layers={options.num_layers} or the vocabulary "
            f"({job.config.vocabulary_size} token ids)."
        ) from error
    if vectors is not None:
        parameters.embedding[: len(vectors.rows)][vectors.found] = vectors.rows[vectors.found]
    return TrainingState(parameters, streams.training)


def state_of(model: FittedModel, number: int, seed: int) -> TrainingState:
    """A fitted network to go on with: a copy of its parameters, which are the model's."""
    state = TrainingState(model.networks[number], make_streams(seed + number).training)
    state.history = History(
        EpochRecord(**{**record, "network": number + 1})
        for record in model.record.of_network(number)
    )
    return state


def bytes_in_training(config: ModelConfig) -> int:
    """About what a network takes: the table with its moments, average and best weights."""
    return 5 * 4 * config.vocabulary_size * config.embedding_dim


def n_epochs(options: Options, n_documents: int) -> int:
    """``max_epochs``, or what "auto" stands for."""
    if options.max_epochs != "auto":
        return int(options.max_epochs)
    n = max(1, n_documents)
    wanted = min(round(_AUTO_DOCUMENTS / n), _ENOUGH_EPOCHS)
    for_steps = -(-_AUTO_STEPS // -(-n // int(options.batch_size)))
    return min(max(wanted, for_steps, _AUTO_EPOCHS[0]), _AUTO_EPOCHS[1])


def train(
    job: Job, pool: ShardPool, state: TrainingState, part: HeldOutPart, number: int,
    callbacks: Sequence[Callback],
) -> Turns[None]:  # fmt: skip
    """Train network ``number`` as a fit does."""
    epochs = n_epochs(job.options, part.train.sequences.n_documents)
    options = job.options._replace(max_epochs=epochs)
    unknown_share = _UNKNOWN_SHARE
    if epochs == 1:
        options = options._replace(learning_rate_schedule="constant", warmup_fraction=0.0)
    if job.plan is not None:  # gradients come clipped, and what is rare depends on all documents
        options, unknown_share = options._replace(max_grad_norm=None), 0.0
    yield from _run(job, pool, state, part, options, number, callbacks, unknown_share)
    state.slots = None


def train_further(
    job: Job, states: list[TrainingState], data: LabelledSequences, engines: list[GradientEngine]
) -> list[TrainingState]:
    """The states after one epoch more on other documents, at a constant rate.

    ``engines`` are spare ones, of which one is taken out, and to which it is given back.
    """
    options = job.options._replace(
        max_epochs=1, learning_rate_schedule="constant", warmup_fraction=0.0,
        average_decay=0.0, max_grad_norm=None if job.plan else job.options.max_grad_norm,
    )  # fmt: skip
    part = HeldOutPart(data, None, None)
    with pool_for(job.k, data, job.n_threads) as pool, progress_bars(bool(options.verbose)) as bar:
        try:
            engine = engines.pop()  # another thread may be quicker
        except IndexError:
            engine = None
        if engine is None or engine.k is not job.k or engine.config != job.config:
            engine = GradientEngine(job.k, job.config, pool, most_bytes=_SPARE_BYTES)
        engine.pool = pool

        def further(number: int) -> TrainingState:
            callbacks = bar(title_of(number, len(states)))

            def changed(state: TrainingState) -> np.ndarray:
                turns = _run(job, pool, state, part, options, number, callbacks, 0.0, engine)
                return pool.take_turns([turns], 1)[0]

            return continued(states[number], options, changed)

        later = [further(number) for number in range(len(states))]
    engines.append(engine)
    return later


def _run(
    job: Job, pool: ShardPool, state: TrainingState, part: HeldOutPart, options: Options,
    number: int, callbacks: Sequence[Callback], unknown_share: float,
    engine: GradientEngine | None = None,
) -> Turns[np.ndarray]:  # fmt: skip
    """Train; which rows of the embedding have changed, bool, shape (vocabulary_size,)."""
    known = len(state.history)
    trainer = Trainer(
        job.k, job.config, state, options, pool, callbacks, options.precision, unknown_share,
        engine, None if job.plan is None else partial(NoisySums, job.plan.of_network(number)),
    )  # fmt: skip
    yield from trainer.turns(part.train, part.valid, job.guard)
    for record in state.history.last(len(state.history) - known):
        record["network"] = number + 1
    return trainer.steps.touched


def title_of(number: int, count: int) -> str:
    """What begins the lines about a network; nothing where it is the only one."""
    return f"network {number + 1} of {count}, " if count > 1 else ""


class Trained(NamedTuple):
    """Networks after training.

    Attributes
    ----------
    parameters : tuple of Parameters
    history : History
    stopped_by : str
    """

    parameters: tuple[Parameters, ...]
    history: History
    stopped_by: str

    @classmethod
    def of(cls, states: list[TrainingState], interrupted: bool = False) -> Trained:
        """What training left, without what only training needs."""
        return cls(
            tuple(state.parameters for state in states),
            History(before=[state.history for state in states]),
            "interrupt" if interrupted else states[-1].stopped_by,
        )


def train_networks(
    job: Job, parts: list[HeldOutPart], seed: int, vectors: FirstVectors | None,
    start: FittedModel | None, stage: str = "",
) -> Trained:  # fmt: skip
    """Train a network on each part, from fresh weights or those of ``start``, side by side.

    Networks of ``start`` that are fewer than the parts stay as they are, and those behind
    them are fresh. After an interrupt the networks are those that are whole or, if none is,
    those that had begun; of ``start`` those that had not are as they were.
    """
    there = 0 if start is None else len(start.networks)
    grows = there < len(parts)
    first = there if grows else 0  # that is trained
    states = [state_of(start, number, seed) for number in range(there)] if start else []
    guard = Relay(job.guard)
    of_network = job._replace(guard=guard)

    def trained(number: int) -> Turns[TrainingState | None]:
        if number < there:
            state = replace(states[number], parameters=states[number].parameters.copy())
        else:
            state = fresh_state(job, number, seed, vectors)
        if guard.requested:
            return None
        callbacks = bar(stage + title_of(number, len(parts)))
        yield from train(of_network, pool, state, parts[number], number, callbacks)
        return state

    numbers = range(first, len(parts))
    pool = pool_for(job.k, parts[first].train, job.n_threads, len(numbers))
    at_once = max(1, _BYTES_AT_ONCE // bytes_in_training(job.config))
    with job.guard, pool, progress_bars(bool(job.options.verbose)) as bar:
        found = pool.take_turns([*map(trained, numbers)], at_once, guard.end)
    begun = {n: state for n, state in zip(numbers, found, strict=True) if state is not None}
    whole = {n: state for n, state in begun.items() if state.stopped_by != "interrupt"}
    if guard.requested:
        if not (begun or start):
            raise KeyboardInterrupt
        job.guard.where = _where(begun, whole, len(parts))
    if grows:
        states += (whole or begun).values()
    else:
        states = [begun.get(number, state) for number, state in enumerate(states)]
    return Trained.of(states, guard.requested)


def _where(begun: dict[int, TrainingState], whole: dict[int, TrainingState], count: int) -> str:
    """Where networks were when they were interrupted."""
    halves = [number for number in begun if number not in whole]
    if not halves:
        return f"before network {len(begun) + 1} of {count}" if len(begun) < count else ""
    *others, last = (str(number + 1) for number in halves)
    numbers = f"{', '.join(others)} and {last}" if others else last
    epoch = max(len(begun[number].history) for number in halves)
    return f"in epoch {epoch} of network{'s' * (len(halves) > 1)} {numbers} of {count}"
