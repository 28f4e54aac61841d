"""The study of Optuna that keeps a search: trials and notes, in one SQLite file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.files import make_folder

STUDY, NAME = "study.db", "kseg"
FIRST_RANDOM = 8  # trials before the sampler learns from them
PRUNED_AFTER = 4  # complete trials that the pruner compares with
log = logging.getLogger(__name__)


class ToLog(logging.Handler):
    """Passes the log of another library on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage())


def import_optuna() -> Any:
    """Imports Optuna, whose warnings go to our log. Raises InputError without it."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise InputError(
            f"kseg tune needs {error.name}: pip install -e '.[tune]'"
        ) from None
    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logger = logging.getLogger("optuna")
    if not any(isinstance(handler, ToLog) for handler in logger.handlers):
        logger.addHandler(ToLog())
    return optuna


def open_study(folder: Path, seed: int) -> Any:
    """Opens the study in a folder, or makes one. Its values are to be large.

    The sampler is a tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and
    Kegl, NeurIPS 2011). Raises InputError for a file that is no study.
    """
    optuna = import_optuna()
    from sqlalchemy import URL

    make_folder(folder)
    url = URL.create("sqlite", database=str((folder / STUDY).resolve()))
    try:
        study = optuna.create_study(
            storage=optuna.storages.RDBStorage(url.render_as_string(False)),
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:  # of SQLAlchemy, sqlite3 or Optuna
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{folder / STUDY}: is damaged or of another version of Optuna ({reason}); "
            "remove it, or give another --output"
        ) from None
    # Another seed in each call: it would suggest the values of the first one again.
    seed = (seed + len(study.trials)) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_RANDOM)
    return study


def pruner_for(epochs: int) -> Any:
    """Ends a trial whose best value so far is below the median of the others there.

    Not in its first quarter, where a high learning rate may still be behind, and not
    before PRUNED_AFTER trials are complete.
    """
    optuna = import_optuna()
    return optuna.pruners.MedianPruner(
        n_startup_trials=PRUNED_AFTER, n_warmup_steps=max(1, epochs // 4)
    )


def retry_interrupted(study: Any) -> None:
    """Marks trials that were interrupted as failed, and queues their values again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, skip_if_exists=False)


def importances(study: Any, least: int = 10) -> dict[str, float]:
    """The share of each option in the differences between trials; they add up to 1.

    Empty for fewer than `least` complete trials: it would be chance. By PED-ANOVA
    (Watanabe, Bansal and Hutter, IJCAI 2023).
    """
    import warnings

    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < least:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the method may change
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: float(value) for name, value in found.items()}
