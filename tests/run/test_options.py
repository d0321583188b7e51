"""Each option is declared once: what is derived from the declaration, and what has to agree with it."""

import inspect

import pytest
from typer.main import get_command

from latentmap import Autoencoder, ImageDecoder, map_images, open_images
from latentmap.autoencoder.networks import NETWORKS
from latentmap.autoencoder.training.augmentation import AUGMENTATIONS
from latentmap.autoencoder.training.corruption import NOISES
from latentmap.autoencoder.training.precision import PRECISIONS
from latentmap.cli import app
from latentmap.core.errors import OptionError
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.page_options import PAGE_AXES, PROJECTIONS
from latentmap.images.shape import COLOR_MODES, FIT_MODES
from latentmap.run import RunOptions, SourceOptions
from latentmap.run.options import RUN_OPTIONS, SOURCE_OPTIONS
from latentmap.run.state import STAGES, STAGES_WITH_VECTORS, dependents, stage_keys

SOURCE = {"fingerprint": "f" * 64, "annotations": "a" * 64}
OTHER_OPTIONS = {
    **{"network": "dense", "activation": "relu", "latent_dim": 8, "epochs": 3, "batch_size": 32, "learning_rate": 0.01},
    **{"beta": 0.5, "denoising": "masking", "noise_level": 0.1, "augmentation": ("shift", "flip")},
    **{"precision": "float32", "groups": "kmeans", "n_clusters": 7, "invariant": False, "min_confidence": 0.3},
    **{"perplexity": 12, "seed": 5, "features": "latent", "metric": "cosine", "decoder": True},
    "device": "cpu",
}
# As of the version in which options were declared in three places.
KEYS = {
    "train": (
        "f2905b3ceb7d22f3496e00fdbb2f5ecc9387f3fc52c75b1e77630c82f02eb22e",
        "98f58e7886aedbecfeec9b9bea0eee09482c80c8fff20005be20ffb0635ca0bd",
    ),
    "encode": (
        "62680446e596d3204578a1755b62488189d2b6600ec6b861b09c6b77b10ff13c",
        "21fb9c6d312503f90b343dd269dd3b717ff988651d81aec566a1a59a79cbc5e7",
    ),
    "group": (
        "354768be71acc0e3cbb9ed2945a7d1c750ff09d6a78dfbd0b855a9315f6b7d66",
        "723a4c3404da6c9943f80c98802241d150acf840c09b4698f9b8c762973a6368",
    ),
    "map": (
        "59fbf389176607ccb3fb31128484bb894bc693c1a418ea8fd35e294c9b331a36",
        "7e8c311357ff19234992ae1ca8a085732a54689c0712564c967d31431027c194",
    ),
    "find": (
        "498fec27d7ee3493a51b31c8c7e4c198a8c7a3a9dbefb15fec671a06573a3c95",
        "0d165b1a476d9095d07b1af5a2b132f8b1f3d6b798da4b1be3e98f3d236c4147",
    ),
    "report": (
        "c794a4342880068153e2b9bebef637a24b7cc02ccd14527f8193b783de50898e",
        "7d572cfcf27a2db5c4db7ecf71811957a513f49634e9125df84dc1b31605a449",
    ),
}


def test_the_keys_of_stages_are_those_of_runs_that_were_made_before():
    assert set(OTHER_OPTIONS) == {one.name for one in RUN_OPTIONS}
    usual = stage_keys(RunOptions(features="latent"), SOURCE, [])
    other = stage_keys(RunOptions(**OTHER_OPTIONS), SOURCE, [])
    assert {stage: (usual[stage], other[stage]) for stage in KEYS} == KEYS
    grown = stage_keys(RunOptions(features="latent"), SOURCE, [{"fingerprint": "b" * 64}])
    assert grown["report"] == "44691af966ab1e0224c4dddc44a0c2572e6f2158b1c521c5adaf61a1dd972a62"
    assert [stage for stage in usual if usual[stage] != grown[stage]] == ["report"]


@pytest.mark.parametrize("one", RUN_OPTIONS, ids=lambda one: one.name)
def test_an_option_changes_the_keys_of_its_stages_and_of_what_needs_them(one):
    vectors, stages = ("v" * 64, STAGES_WITH_VECTORS) if one.with_vectors else (None, STAGES)
    usual, other = (
        stage_keys(RunOptions(**{one.name: value}), SOURCE, [], vectors) for value in (one.default, _other(one))
    )
    changed = {stage for stage in usual if usual[stage] != other[stage]}
    assert one.stages or one.name == "device"
    assert changed == {*one.stages, *(later for stage in one.stages for later in dependents(stage, stages))}


def test_other_vectors_change_the_keys_of_what_depends_on_them():
    options = RunOptions().for_vectors()
    usual, other = (stage_keys(options, SOURCE, [], vectors) for vectors in ("v" * 64, "w" * 64))
    assert list(usual) == [stage for stage in STAGES_WITH_VECTORS if stage != "decode"]
    assert {stage for stage in usual if usual[stage] == other[stage]} == {"features"}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"epochs": 3}, "epochs=3: with given vectors"), ({"network": "dense"}, "network='dense': with given vectors")],
)
def test_options_of_training_are_refused_with_vectors(options, words):
    with pytest.raises(OptionError, match=words):
        RunOptions(**options).for_vectors()


@pytest.mark.parametrize("option", [{"metric": "cosine"}, {"decoder": True}])
def test_what_bears_on_vectors_is_refused_without_them(option):
    ((name, value),) = option.items()
    with pytest.raises(OptionError, match=f"{name}={value!r} bears on given vectors only"):
        RunOptions(**option).without_vectors()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"latent_dim": 3}, "latent_dim=3 does not bear on a decoder"), ({"network": "variational"}, "no decoder of its")],
)
def test_options_that_no_decoder_has_are_refused_with_one(options, words):
    with pytest.raises(OptionError, match=words):
        RunOptions(decoder=True, **options).for_vectors()


def test_options_of_a_decoder_are_those_of_its_estimator():
    parameters = inspect.signature(ImageDecoder).parameters
    given = RunOptions(decoder=True).for_vectors().decoder_parameters()
    assert given.pop("random_state") == 0
    assert given == {name: parameters[name].default for name in given}
    own = RunOptions(decoder=True, epochs=3, network="dense").for_vectors().decoder_parameters()
    assert (own["epochs"], own["network"]) == (3, "dense")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder_size": 3}, "encoder_size=3 without an encoder"),
        ({"encoder": "m.onnx", "encoder_size": "1x2x3"}, "encoder_size='1x2x3': pass a side"),
        ({"encoder": "m.onnx", "vectors": "v.npy"}, "vectors and an encoder"),
        ({"encoder": "m.onnx", "encoder_mean": "0.5,half"}, "encoder_mean='0.5,half': pass one number"),
    ],
)
def test_settings_of_encoders_that_do_not_fit_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        SourceOptions(**options).image_encoder()


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps"])
def test_devices_are_known_by_name(name):
    options = RunOptions(device=name)
    assert options.autoencoder_parameters()["device"] == name
    assert options.decoder_parameters()["device"] == name


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CUDA", "meta", "cuda:0 ", ""])
def test_other_devices_are_refused(name):
    with pytest.raises(OptionError, match=r"device='.*': choose auto, cpu, cuda, cuda:N"):
        RunOptions(device=name)


def _other(one):
    return OTHER_OPTIONS[one.name]


def test_defaults_and_choices_are_those_of_the_autoencoder():
    parameters = inspect.signature(Autoencoder).parameters
    given = RunOptions().autoencoder_parameters()
    assert given.pop("random_state") == 0
    assert given == {name: parameters[name].default for name in given}
    choices = {one.name: one.choices for one in RUN_OPTIONS if one.choices}
    assert choices == {
        "network": ("auto", *NETWORKS),
        "denoising": tuple(NOISES),
        "augmentation": tuple(AUGMENTATIONS),
        "precision": ("auto", *PRECISIONS),
        "features": ("visual", "latent"),
        "metric": ("euclidean", "cosine"),
        "groups": ("graph", "kmeans"),
    }


def test_defaults_and_choices_are_those_of_open_images():
    parameters = inspect.signature(open_images).parameters
    for one in SOURCE_OPTIONS:
        if one.name in ("vectors", "map") or one.name.startswith("encoder"):  # these are no part of reading images
            continue
        assert parameters[one.name].default == one.default, one.name
    assert SourceOptions().decoding() == DecodeOptions()
    known = {"fit": FIT_MODES, "color": COLOR_MODES, "axes": PAGE_AXES, "project": PROJECTIONS}
    assert {one.name: one.choices for one in SOURCE_OPTIONS if one.choices} == known


def test_command_and_function_have_each_option():
    declared = {one.name: one.default for one in (*RUN_OPTIONS, *SOURCE_OPTIONS)}
    command = {one.name: one for one in get_command(app).commands["run"].params}
    assert set(command) == {"source", "out", "quiet", *declared}
    parameters = inspect.signature(map_images).parameters
    assert set(parameters) == set(command)
    for name, default in declared.items():
        assert command[name].default == default, name
        assert parameters[name].default == default, name
        assert f"{name}" in map_images.__doc__, name


@pytest.mark.parametrize("options", [{"epoch": 3}, {"source_option": 1}])
def test_an_option_that_there_is_not_is_refused(options, tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        map_images([], tmp_path / "run", **options)


@pytest.mark.parametrize("declared", [RunOptions, SourceOptions])
def test_docstrings_describe_each_option(declared):
    for name in inspect.signature(declared).parameters:
        assert f"\n{name} : " in declared.__doc__
