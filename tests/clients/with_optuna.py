# /// script
# dependencies = ["optuna"]
# ///
"""A study whose objective is a cross-validation, one that prunes between calls of `partial_fit`,
and `fastlstm.tune`.
"""

import optuna
from sklearn.model_selection import cross_val_score

from fastlstm import LSTMSentimentClassifier, tune
from fastlstm.datasets import load_reviews


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    alone = {"n_estimators": 1, "wide": None, "random_state": 0}

    def validated(trial):
        clf = LSTMSentimentClassifier(
            hidden_size=trial.suggest_categorical("hidden_size", [16, 32]),
            learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
            max_epochs=4,
            **alone,
        )
        return cross_val_score(clf, train.texts, train.labels, cv=2).mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(validated, n_trials=3)
    best = LSTMSentimentClassifier(**study.best_params, max_epochs=4, **alone)
    score = cross_val_score(best, train.texts, train.labels, cv=2).mean()
    assert score == study.best_value > 0.4

    def pruned(trial):
        rate = trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)
        clf = LSTMSentimentClassifier(learning_rate=rate, **alone)
        for epoch in range(4):
            clf.partial_fit(train.texts, train.labels)
            score = clf.score(test.texts, test.labels)
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler({"learning_rate": [1e-2, 1e-5]}, seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1),
    )
    study.enqueue_trial({"learning_rate": 1e-2})
    study.optimize(pruned)
    states = [trial.state.name for trial in study.trials]
    assert "COMPLETE" in states and "PRUNED" in states, states
    assert study.best_value > 0.4

    found = tune(train.texts, train.labels, minutes=0.05)
    assert len(found.trials) >= 1 and found.best_score > 0.4


if __name__ == "__main__":
    main()
