"""What the evaluation left is found by name, and nothing is made up for what it did not measure."""

import json

import pytest

from data_prep.errors import InputError
from repro.evaluation.results import (
    PAPERS_WAY,
    STRUCTURES,
    SUMMARY,
    TRUE_MAP,
    WAYS,
    Evaluation,
    read_evaluation,
    read_structures,
    route,
)

FOUND = {
    "vae": {"ours": {"all": {"mse": 0.1}, "AB": {"mse": 0.2}}, "released": {"all": {"mse": 0.3}}},
    "unet": {"nonzero_recall": 0.5},
    "routes": {route("ours", PAPERS_WAY): {"all": {"emd": 1.0}, "AB": {"emd": 2.0}}},
}
EACH = {"vae": {"ours": [{"kld": 80.0}]}, "routes": {route(TRUE_MAP, "fit"): [{"reason": "no density"}]}}


def test_a_route_names_a_source_and_a_way():
    names = {route(source, way) for source in (TRUE_MAP, "ours", "released") for way in WAYS}
    assert len(names) == 3 * len(WAYS) == 9 and all(name.startswith((TRUE_MAP, "ours", "released")) for name in names)


def test_numbers_are_found_by_model_route_and_group():
    found = Evaluation(FOUND, EACH)
    assert found.models == ["ours", "released"] and found.unet["nonzero_recall"] == 0.5
    assert (found.vae("ours")["mse"], found.vae("ours", "AB")["mse"], found.vae("released")["mse"]) == (0.1, 0.2, 0.3)
    assert (found.sites("ours", PAPERS_WAY)["emd"], found.sites("ours", PAPERS_WAY, "AB")["emd"]) == (1.0, 2.0)
    assert list(found.vae_groups("ours")) == ["all", "AB"] and list(found.routes) == [route("ours", PAPERS_WAY)]
    assert found.reconstructions("ours") == [{"kld": 80.0}]
    assert found.decoded(TRUE_MAP, "fit") == [{"reason": "no density"}]
    assert Evaluation(structures=EACH).models == ["ours"]


def test_what_was_not_measured_is_empty():
    for found in (Evaluation(), Evaluation(FOUND, EACH)):
        assert found.vae("another") == {} and found.vae("released", "AB") == {}
        assert found.sites("ours", "fit") == {} and found.sites("released", PAPERS_WAY) == {}
        assert found.reconstructions("released") == [] and found.decoded("ours", PAPERS_WAY) == []
    assert Evaluation().models == [] and Evaluation().unet == {} and Evaluation().routes == {}


def test_it_is_read_as_far_as_it_is_there(tmp_path):
    assert read_evaluation(tmp_path) == Evaluation({}, {})
    (tmp_path / SUMMARY).write_text(json.dumps(FOUND))
    assert read_evaluation(tmp_path) == Evaluation(FOUND, {})
    with pytest.raises(InputError, match="run the stage 'evaluate' first"):
        read_structures(tmp_path)
    (tmp_path / STRUCTURES).write_text(json.dumps(EACH))
    assert read_evaluation(tmp_path) == Evaluation(FOUND, EACH)
    assert read_structures(tmp_path).reconstructions("ours") == [{"kld": 80.0}]
    (tmp_path / SUMMARY).write_text('{"vae": ')
    with pytest.raises(InputError, match=f"{SUMMARY} is damaged"):
        read_evaluation(tmp_path)
