"""Fitting a whole model: networks, the linear part, and how much each counts.

``fit_model`` and ``continue_model`` are functions of what they are given. They change
nothing of it, so fits may run beside each other, and a fit that fails leaves nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from fastlstm.classifier.blend import Blend, fit_blend
from fastlstm.classifier.data import FitData, SoftlyLabelled
from fastlstm.classifier.fitted import (
    FittedModel,
    Scorer,
    TrainingRecord,
    logits_beside,
    mean_logits,
)
from fastlstm.classifier.held_out import (
    HeldOutPart,
    hold_out_parts,
    of_held_out,
    with_soft_labels,
)
from fastlstm.classifier.linear_further import learn_further
from fastlstm.classifier.linear_part import LinearPart
from fastlstm.classifier.networks import (
    FirstVectors,
    Job,
    Trained,
    check_same_network,
    first_vectors,
    fresh_state,
    make_config,
    state_of,
    train_further,
    train_networks,
)
from fastlstm.classifier.private import PrivateFit, private_blend, private_linear_part
from fastlstm.classifier.side_part import SidePart
from fastlstm.core.errors import SideColumnWarning
from fastlstm.core.options import Options
from fastlstm.core.progress import Bar, task_bars
from fastlstm.core.records import Encoded
from fastlstm.core.threads import ShardPool
from fastlstm.core.versions import Version
from fastlstm.kernels.registry import load_backend
from fastlstm.network.losses import predicted_class, probabilities
from fastlstm.network.predict import Network
from fastlstm.side.encoder import VECTORS
from fastlstm.text.ngrams import NGrams
from fastlstm.training.engine import GradientEngine, LabelledSequences
from fastlstm.training.interrupts import NO_GUARD, Guard, Relay
from fastlstm.training.loop import TrainingState
from fastlstm.vectors.given import Coverage

# A linear part, and its logits of documents that it was fitted without.
LinearFit = tuple[LinearPart, np.ndarray]


class Company(NamedTuple):
    """What stands beside the networks.

    Attributes
    ----------
    linear : LinearPart or None
    side : SidePart or None
    out_of_fold : tuple of float arrays, shape (n_documents, n_outputs)
        Of each of the two that is there: its logits of documents that it was fitted without.
    relevance : float64 array, shape (n_columns,), or None
        Of columns beside the text: ``side`` and the networks are for numbers times this.
    """

    linear: LinearPart | None = None
    side: SidePart | None = None
    out_of_fold: tuple[np.ndarray, ...] = ()
    relevance: np.ndarray | None = None

    @property
    def is_there(self) -> bool:
        return bool(self.out_of_fold)

    def logits(self, encoded: Encoded) -> list[np.ndarray]:
        """Of other documents."""
        return logits_beside(self.linear, self.side, encoded)


# Fewer validation documents than this choose an epoch at random.
_MIN_VALIDATION = 20


@dataclass
class Continued:
    """What ``continue_model`` goes on from, beside the model.

    Attributes
    ----------
    networks : list of TrainingState
    linear : Version or None
        Of the linear part's weights; not in pickles.
    engines : list of GradientEngine
        Spare ones, for their memory; not in pickles.
    """

    networks: list[TrainingState]
    linear: Version | None = None
    engines: list[GradientEngine] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        return {"networks": self.networks, "linear": None, "engines": []}


def fit_model(
    data: FitData, options: Options, seed: int, *, linear: bool = False,
    start: FittedModel | None = None, guard: Guard = NO_GUARD,
) -> FittedModel:  # fmt: skip
    """Fit a model.

    Parameters
    ----------
    data : FitData
    options : Options
    seed : int
        The result depends on it, data and options alone, whatever ``options.n_jobs``.
    linear : bool
        Whether a linear part stands beside the networks; only with an encoder.
    start : FittedModel or None
        Its networks go on, instead of fresh ones; its n-grams stay. Where
        ``options.n_estimators`` is larger than their number, they stay as they are, and those
        that are missing are trained as in a fit without ``start``.
    guard : Guard
        What Ctrl-C does; that of the default is to raise.

    Returns
    -------
    FittedModel
        After a Ctrl-C that ``guard`` took, while networks or the linear part were trained,
        what was whole by then, with "interrupt" in its record.

    Raises
    ------
    KeyboardInterrupt
        Of any other Ctrl-C.
    ValueError
        If ``start`` has networks of another shape, or word vectors do not fit.
    """
    job = _job(data, options, seed, start, guard)
    there = 0 if start is None else len(start.networks)
    grows = there < int(options.n_estimators)
    (vectors, coverage), company = _before_networks(job, grows, linear, judges=start is None)
    if company.relevance is not None:
        data = data.with_relevance(company.relevance)
        job = job._replace(data=data)
    parts = _parts(job, int(options.n_estimators), linear)
    if there and grows and data.valid is None:
        # They may have been trained on any of these documents: only new networks, of what
        # they leave out, say how much each part counts.
        parts[:there] = [part._replace(valid=None, rows=None) for part in parts[:there]]
    if start is not None and not grows:
        coverage = start.record.coverage
    stage = "" if data.unlabelled is None else "from labels, "
    trained = train_networks(job, parts, seed, vectors, start, stage)
    model = _with_company(job, parts, trained, company, coverage, start)
    if data.unlabelled is None or model.record.stopped_by == "interrupt":
        return model
    return _learn_from_others(job, parts, data.unlabelled, vectors, linear, model)


def fit_privately(
    data: FitData, options: Options, seed: int, private: PrivateFit,
    start: FittedModel | None = None, guard: Guard = NO_GUARD,
) -> FittedModel:  # fmt: skip
    """As ``fit_model``, with nothing in the result but what noisy steps tell of the documents."""
    options = options._replace(max_epochs=private.n_epochs)
    job = _job(data, options, seed, start, guard)._replace(plan=private.plan)
    company, blend = Company(), Blend.of_networks(data.n_outputs)
    with task_bars(bool(options.verbose)) as bar:
        vectors, _ = first_vectors(job.k, data.each_token_once, options, seed, guard, bar)
        if private.linear is not None:
            with bar("linear part") as report:
                company = Company(private_linear_part(private, data, report))
        elif start is not None and private.blend is not None:
            company = Company(start.linear)
    whole = HeldOutPart(job.labelled(data.train), None, None)
    trained = train_networks(job, [whole] * int(options.n_estimators), seed, vectors, start)
    if company.linear is not None:
        blend = Blend.even(2, data.n_outputs)
        if private.blend is not None and trained.stopped_by != "interrupt":
            networks = [
                Network(job.k, job.config, each, options.precision) for each in trained.parameters
            ]
            even = np.full(len(data.classes), 1 / len(data.classes))
            of_networks = mean_logits(networks, whole.train.sequences, even, job.n_threads)
            logits = [of_networks, *company.logits(data.train.encoded)]
            blend = private_blend(private, data, logits)
    return private.without_counts(_model(job, trained, company, blend, None))


def continue_model(
    data: FitData, options: Options, seed: int, model: FittedModel | None,
    states: Continued | None, *, linear: bool = False, private: PrivateFit | None = None,
) -> tuple[FittedModel, Continued]:  # fmt: skip
    """Train for one epoch on more documents, at a constant learning rate.

    Parameters
    ----------
    data, options, seed
        As in ``fit_model``; the seed is for a first call alone.
    model : FittedModel or None
        None begins with fresh networks.
    states : Continued or None
        What the call before returned. None begins to count steps anew.
    linear : bool
        Whether the model keeps its linear part, which then learns, too.
    private : PrivateFit or None
        Of one epoch, where a promise is to be kept; then the linear part stays as it is.

    Returns
    -------
    model : FittedModel
    states : Continued
    """
    job = _job(data, options, seed, model)
    if private is not None:
        job = job._replace(plan=private.plan)
    coverage = None if model is None else model.record.coverage
    if model is None:
        before = job if private is None else job._replace(data=data.each_token_once)
        (vectors, coverage), _ = _before_networks(before, True, False, beside=False)
        numbers = range(int(options.n_estimators))
        states = Continued([fresh_state(job, number, seed, vectors) for number in numbers])
    elif states is None:
        numbers = range(len(model.networks))
        states = Continued([state_of(model, number, seed) for number in numbers])
    networks = train_further(job, states.networks, job.labelled(data.train), states.engines)
    version = None
    trained, company, blend = Trained.of(networks), Company(), Blend.of_networks(data.n_outputs)
    if model is not None and (model.linear is None or linear):
        company, blend = Company(model.linear, model.side), model.blend
    elif model is not None and model.side is not None:
        networks_and_side = model.blend.shares[[0, -1]]
        company, blend = Company(None, model.side), model.blend._replace(shares=networks_and_side)
    if company.linear is not None and private is None:
        whole = data.train.encoded.whole
        assert whole is not None, "a linear part reads whole texts"
        part, version = learn_further(
            company.linear, whole, data.train.y, data.train.weight, states.linear
        )
        company = company._replace(linear=part)
    later = _model(job, trained, company, blend, coverage)
    if private is not None:
        later = private.without_counts(later)
    return later, Continued(networks, version, states.engines)


def _job(
    data: FitData, options: Options, seed: int, start: FittedModel | None,
    guard: Guard = NO_GUARD,
) -> Job:  # fmt: skip
    if start is None:
        ngrams = NGrams.learn(
            data.read, data.n_tokens, int(options.ngrams), max_features=options.max_ngrams
        )
    else:
        ngrams = start.ngrams
        for name in ("pooling", "segment_state"):  # later documents decide nothing anew
            if getattr(options, name) == "auto":
                options = options._replace(**{name: getattr(start.config, name)})
    config = make_config(options, data, ngrams)
    if start is not None:
        check_same_network(start.config, config)
    k = load_backend(options.backend)
    return Job(k, data, options, seed, ngrams, config, guard)


def _parts(job: Job, n_networks: int, linear: bool) -> list[HeldOutPart]:
    """What each network is trained and measured on."""
    data, options = job.data, job.options
    train = job.labelled(data.train)
    if data.valid is not None:
        return [HeldOutPart(train, job.labelled(data.valid), None)] * n_networks
    # Early stopping looks at one network's documents, the blend at all of them.
    n_held_out = len(train.y) * options.validation_fraction
    n_held_out *= 1 if options.early_stopping else n_networks
    n_documents = train.sequences.n_documents * options.validation_fraction
    if data.train.by_step and n_documents < 1:  # whole documents are held out
        n_held_out = 0
    wanted = options.early_stopping or options.calibrate or linear or data.n_side
    if not wanted or n_held_out < max(_MIN_VALIDATION, len(data.classes)):
        return [HeldOutPart(train, None, None)] * n_networks
    return hold_out_parts(train, options.validation_fraction, n_networks, job.seed)


def _model(
    job: Job, trained: Trained, company: Company, blend: Blend, coverage: Coverage | None
) -> FittedModel:
    data = job.data
    record = TrainingRecord(
        trained.history, trained.stopped_by, data.class_count, data.truncated_share, coverage
    )
    return FittedModel(
        data.encoder, job.config, trained.parameters, job.ngrams, company.linear, blend,
        data.classes, data.class_prior, record, reader=data.reader, side=company.side,
        steps=data.steps,
    )  # fmt: skip


def _before_networks(
    job: Job, vectors: bool, linear: bool, beside: bool = True, judges: bool = False
) -> tuple[tuple[FirstVectors | None, Coverage | None], Company]:
    """Vectors to begin with, and what stands beside: at the same time, as neither needs the other.

    ``beside`` says whether what stands beside the texts gets a part of its own, ``judges``
    whether its columns have still to be judged.
    """
    guard = Relay(job.guard)
    options = job.options
    with ShardPool(job.n_threads, job.k) as pool, task_bars(bool(options.verbose)) as bar:

        def fitted(what: str) -> Any:
            if what == "company":
                fitted = _linear_part(job, pool, guard, bar) if linear else None
                return _company_of(job, fitted, judges)
            return first_vectors(job.k, job.data, options, job.seed, guard, bar)

        wanted = ["vectors"] * vectors + ["company"] * (linear or (beside and job.data.n_side > 0))
        found = dict(zip(wanted, pool.map(fitted, wanted, guard.end), strict=True))
    return found.get("vectors", (None, None)), found.get("company", Company())


def _company_of(job: Job, fitted: LinearFit | None, judges: bool) -> Company:
    """The linear part, and one that reads what stands beside the text."""
    linear, out_of_fold = fitted or (None, None)
    parts = [] if out_of_fold is None else [out_of_fold]
    train = job.data.train
    side, relevance, reader = None, None, job.data.reader
    if reader is not None and train.encoded.side is not None:
        from fastlstm.classifier.side_fit import fit_side_part

        found = fit_side_part(
            train.encoded.side, list(reader.slices.values()), train.y, train.weight,
            job.data.n_outputs, job.seed, out_of_fold, judges,
        )  # fmt: skip
        side = found.part
        relevance = found.relevance if judges else None
        parts.append(found.out_of_fold)
    return Company(linear, side, tuple(parts), relevance)


def _with_company(
    job: Job, parts: list[HeldOutPart], trained: Trained, company: Company,
    coverage: Coverage | None, start: FittedModel | None = None,
) -> FittedModel:  # fmt: skip
    """The model of some networks, with what stands beside them and how much each counts.

    After an interrupt that is what ``start`` had, or else all alike.
    """
    data, guard = job.data, job.guard
    blend = Blend.of_networks(data.n_outputs)
    if company.is_there:
        blend = Blend.even(1 + len(company.out_of_fold), data.n_outputs)
    kept, weighed = company, None
    if start is not None and (start.linear is None) == (company.linear is None):
        kept, weighed = Company(start.linear, start.side), start.blend
    try:
        if not (guard.requested and guard.in_loop):  # who leaves a loop does not wait for more
            kept, weighed = company, _weighed(job, parts, trained, company)
    except KeyboardInterrupt:
        if not guard.is_first():
            raise
        guard.where = "after the networks, before it was known how much each part counts"
        trained = trained._replace(stopped_by="interrupt")
    return _model(job, trained, kept, blend if weighed is None else weighed, coverage)


def _weighed(
    job: Job, parts: list[HeldOutPart], trained: Trained, company: Company
) -> Blend | None:
    """How much each component counts; None where no document says so."""
    networks = [
        Network(job.k, job.config, each, job.options.precision) for each in trained.parameters
    ]
    held_out = of_held_out(networks, parts, job.data.class_prior, job.n_threads)
    if held_out is None or not (job.options.calibrate or company.is_there):
        if company.is_there:
            train = job.data.train
            logits = np.sum(company.out_of_fold, axis=0)
            _warn_of_telling_columns(job, train.y, train.weight, logits)
        return None
    logits = [held_out.logits]
    if held_out.rows is None:
        valid = job.data.valid
        assert valid is not None, "held out by the caller"
        logits += company.logits(valid.encoded)
    else:
        logits += [of_all[held_out.rows] for of_all in company.out_of_fold]
    blend = fit_blend(logits, held_out.y, held_out.weight, with_bias=company.is_there)
    _warn_of_telling_columns(job, held_out.y, held_out.weight, blend(logits))
    return blend


def _warn_of_telling_columns(
    job: Job, y: np.ndarray, weight: np.ndarray, logits: np.ndarray
) -> None:
    """Name columns that alone are right about as often as everything together.

    ``logits`` are those of the whole, for documents of the classes ``y``.
    """
    train, reader = job.data.train, job.data.reader
    side = train.encoded.side
    if reader is None or reader.layout is None or side is None or not weight.any():
        return
    from fastlstm.classifier.side_fit import telling_columns

    columns = {name: part for name, part in reader.columns(side).items() if name != VECTORS}
    accuracy = float(np.average(predicted_class(logits) == y, weights=weight))
    found = telling_columns(columns, train.y, train.weight, job.data.n_outputs, job.seed, accuracy)
    for name, alone in found.items():
        warnings.warn(
            f"column {name!r} alone classifies {alone:.1%} right, and everything together "
            f"{accuracy:.1%}: it may give the label away. If it is not known where the model is "
            "to be used, leave it out.",
            SideColumnWarning,
            stacklevel=2,
        )


def _linear_part(
    job: Job, pool: ShardPool, guard: Guard, bar: Bar, others: SoftlyLabelled | None = None
) -> LinearFit:
    # It brings in much of scikit-learn, which nothing else here needs.
    from fastlstm.classifier.linear_fit import fit_linear_part

    data = job.data
    train, whole = data.train, data.train.encoded.whole
    assert data.encoder is not None and whole is not None, "a linear part reads whole texts"
    with bar("linear part") as report:
        return fit_linear_part(
            job.k, whole, len(data.encoder.vocabulary), train.y, train.weight, len(data.classes),
            seed=job.seed, pool=pool, guard=guard, report=report, others=others,
        )  # fmt: skip


def _learn_from_others(
    job: Job, parts: list[HeldOutPart], unlabelled: Encoded, vectors: FirstVectors | None,
    linear: bool, teacher: FittedModel,
) -> FittedModel:  # fmt: skip
    """A new model, from the labels and from what ``teacher`` says of other documents."""
    try:
        model = _taught(job, parts, unlabelled, vectors, linear, teacher)
        if model is not None and model.record.stopped_by != "interrupt":
            return model
    except KeyboardInterrupt:
        if not job.guard.is_first():
            raise
    # The first model is whole.
    job.guard.where = "while it learned from documents without labels"
    return replace(teacher, record=replace(teacher.record, stopped_by="interrupt"))


def _taught(
    job: Job, parts: list[HeldOutPart], unlabelled: Encoded, vectors: FirstVectors | None,
    linear: bool, teacher: FittedModel,
) -> FittedModel | None:  # fmt: skip
    """That model, or None if not all of its networks were trained."""
    data = job.data
    others = unlabelled.take(np.flatnonzero(unlabelled.sequences.lengths))
    scorer = Scorer(teacher, job.options.backend, job.options.precision)
    soft = probabilities(scorer.logits(others, job.n_threads))
    target = soft[:, 1] if data.n_outputs == 1 else soft
    weight = np.full(len(target), data.train.weight.mean())
    sequences = job.ngrams.longest(others.sequences)
    more = LabelledSequences(sequences, target, weight, data.train.by_step)
    trained = train_networks(
        job, with_soft_labels(parts, more, data.n_outputs), job.seed + len(parts), vectors, None,
        "with more texts, ",
    )  # fmt: skip
    whole = others.whole
    softly = None if whole is None else (whole, target.reshape(-1, data.n_outputs))
    if len(trained.parameters) < len(parts):
        return None
    fitted, verbose = None, bool(job.options.verbose)
    if linear and not job.guard.requested:
        with ShardPool(job.n_threads, job.k) as pool, task_bars(verbose) as bar:
            fitted = _linear_part(job, pool, job.guard, bar, softly)
    company = _company_of(job, fitted, judges=False)
    return _with_company(job, parts, trained, company, teacher.record.coverage)
