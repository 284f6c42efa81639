"""Which property networks a run trains, from which start and with which seed."""

from dataclasses import dataclass

from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from repro.network_folders import network_names
from repro.presets import PropertyTrainingParameters
from repro.properties.property_data import PropertyData

FROM_SCRATCH = (FORMATION_ENERGY, "energy_per_atom")  # Methods: all others "are trained by transfer-learning"
FEWEST = {"train": 30, "validation": 2, "test": 2}  # labels below which a property is not trained
FEW = 10_000  # labels to train on: with fewer a training takes minutes, and several networks are affordable


@dataclass(frozen=True)
class Task:
    """One network to train: its name, property and seed; ``pretrained`` names the one that it starts from."""

    name: str
    property: str
    seed: int
    pretrained: str | None


def plan(data: PropertyData, training: PropertyTrainingParameters, seed: int) -> tuple[list[Task], dict[str, str]]:
    """Return the networks to train, in order, and why the other properties have none."""
    tasks, left_out = [], {}
    for name in PROPERTIES:
        counts = {part: len(data.labelled(name, part)) for part in FEWEST}
        if any(counts[part] < fewest for part, fewest in FEWEST.items()):
            had = ", ".join(f"{count} to {part}" for part, count in counts.items())
            left_out[name] = "no labels" if not any(counts.values()) else f"too few labels ({had})"
            continue
        from_energy = tasks and tasks[0].property == FORMATION_ENERGY and name not in FROM_SCRATCH
        pretrained = tasks[0].name if from_energy else None
        members = training.members if name == FORMATION_ENERGY else 1
        if pretrained and counts["train"] < FEW:
            members += training.further_members
        tasks += [Task(one, name, seed + place, pretrained) for place, one in enumerate(network_names(name, members))]
    # A property's first network before its others: a training cut short then has all properties.
    return sorted(tasks, key=lambda task: task.seed), left_out
