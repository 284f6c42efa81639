"""The property networks of a run, trained again with other seeds on the same split.

The preset's ``seed`` also draws the split and, if the data are limited, the crystals (``graphs`` in
``repro.properties.property_data``), so that it stays. What changes is ``cgcnn_training.seed_shift``: the starting
weights and the order of the crystals. The graphs are shared with the run itself.
"""

from dataclasses import replace

from data_prep.errors import InputError
from experiments.shared_stages import WITHOUT_RELEASED, bring, forget_networks
from experiments.table1 import SUMMARY, read_properties
from repro.run import Run

SHARED = ("graphs", "train-cgcnn", "properties")
EVALUATION = "evaluate-properties"


def seed_run(base: Run, number: int) -> Run:
    """Return the run of the ``number``-th further training: a name and folders of its own, one network a property.

    Its seed follows all those of the run's own networks, of which a property may have several.
    """
    own = base.preset.cgcnn_training
    shift = own.seed_shift + number * max(own.members, 1 + own.further_members)
    training = replace(own, members=1, further_members=0, seed_shift=shift)
    name = f"{base.name}-seed_{base.preset.seed + training.seed_shift}"
    return replace(base, preset=replace(base.preset, cgcnn_training=training), name=name, shared=WITHOUT_RELEASED)


def measure(base: Run, trainings: int) -> list[dict]:
    """Return ``properties.json`` of the run itself, then of each further training, made as far as it is not there.

    Empty if the run has no property networks and one training is asked for. Finished stages are not repeated. Raises
    InputError if the run has not been measured and more than one is asked for, or if a stage of another configuration
    is in the way.
    """
    if trainings == 1 and not (base.results / SUMMARY).exists():
        return []
    measured, runs = [read_properties(base.results)], [seed_run(base, number) for number in range(1, trainings)]
    for place, run in enumerate(runs, start=2):
        print(f"seeds: training {place} of {trainings}, {run.folder('')}", flush=True)
        for stage in SHARED:
            bring(stage, run, [base])
        bring(EVALUATION, run, [], run.results / SUMMARY)
        measured.append(_on_the_same_crystals(read_properties(run.results), measured[0], run))
        forget_networks()
    return measured


def _on_the_same_crystals(found: dict, first: dict, run: Run) -> dict:
    sizes = [{row["property"]: (row["n_train"], row["n_test"]) for row in one["rows"]} for one in (found, first)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{run.results / SUMMARY} was measured on other crystals than the run itself: "
            "run the run's stage 'evaluate-properties' with --again."
        )
    return found
