"""ImageEncoder: what it reads from ONNX files, the vectors it gives, and the files that it refuses."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

from latentmap.core.errors import EncoderError, InputError
from latentmap.encoder import ImageEncoder, session
from latentmap.encoder.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from onnx_models import BYTE, FLOAT, HALF, WEIGHTS, convolution_encoder, mean_color_encoder, save, token_encoder

COLOR = (200, 100, 50)


def plain_picture(size: tuple[int, int] = (8, 8), color: tuple[int, int, int] = COLOR) -> Image.Image:
    return Image.new("RGB", size, color)


def expected(
    color: tuple[int, int, int] = COLOR, mean: object = IMAGENET_MEAN, std: object = IMAGENET_STD
) -> np.ndarray:
    return WEIGHTS @ ((np.array(color) / 255 - np.array(mean)) / np.array(std))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", [FLOAT, HALF])
def test_vectors_are_those_of_normalized_colors_in_both_layouts(tmp_path: Path, layout: str, kind: int) -> None:
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx", layout=layout, kind=kind))
    found = encoder.transform([plain_picture(), plain_picture((50, 20))])
    assert found.dtype == np.float32
    assert encoder.assumes_imagenet
    np.testing.assert_allclose(found, [expected()] * 2, rtol=1e-5, atol=2e-3 if kind == HALF else 1e-6)


def test_uint8_input_takes_pixels_as_they_are(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx", layout="NHWC", kind=BYTE)
    np.testing.assert_allclose(ImageEncoder(path).transform([plain_picture()])[0], WEIGHTS @ COLOR, rtol=1e-5)
    with pytest.raises(EncoderError, match="uint8"):
        ImageEncoder(path, mean=[0.5])


def test_mean_and_std_are_given_or_read_from_the_file_beside(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx", size="side")
    config = {"size": {"height": 8, "width": 8}, "image_mean": [0.1, 0.2, 0.3], "image_std": [2, 1, 0.5], "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    encoder = ImageEncoder(path)
    assert (encoder.preprocessing.fit, encoder.preprocessing.resample) == ("stretch", 2)
    assert not encoder.assumes_imagenet
    np.testing.assert_allclose(
        encoder.transform([plain_picture()])[0], expected(mean=[0.1, 0.2, 0.3], std=[2, 1, 0.5]), rtol=1e-5
    )
    given = ImageEncoder(path, mean=[0.5], std=[0.5]).transform([plain_picture()])[0]
    np.testing.assert_allclose(given, expected(mean=0.5, std=0.5), rtol=1e-5)


def test_rescaling_and_reversed_channels_of_the_file_beside(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx")
    config = {"do_normalize": False, "rescale_factor": 1 / 127.5, "do_flip_channel_order": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    found = ImageEncoder(path).transform([plain_picture()])[0]
    np.testing.assert_allclose(found, WEIGHTS @ (np.array(COLOR[::-1]) / 127.5), rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "fit", "edge", "size"),
    [
        ({"size": 8}, "stretch", (8, 8), (8, 8)),
        ({"size": {"shortest_edge": 10}, "crop_size": {"height": 8, "width": 8}}, "fill", (10, 10), (8, 8)),
        ({"size": 10, "crop_size": 8, "do_center_crop": True}, "fill", (10, 10), (8, 8)),
        ({"size": {"height": 10, "width": 12}, "crop_size": 8}, "stretch", (10, 12), (8, 8)),
        ({"size": {"shortest_edge": 10}, "crop_size": 8, "do_center_crop": False}, "fill", (10, 10), (10, 10)),
        ({"size": {"shortest_edge": 8}, "crop_pct": 0.875}, "fill", (9, 9), (8, 8)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, "stretch", (384, 384), (384, 384)),
    ],
)
def test_sizes_of_image_processors(
    tmp_path: Path, config: dict[str, object], fit: str, edge: tuple[int, int], size: tuple[int, int]
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    found = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx", size="side")).preprocessing
    assert (found.fit, found.edge, (found.height, found.width)) == (fit, edge, size)


def test_images_are_cropped_at_their_center_as_an_image_processor_does(tmp_path: Path) -> None:
    config = {"size": {"shortest_edge": 16}, "crop_size": 8, "resample": 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx"))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8))
    resized = np.asarray(picture.resize((24, 16), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(encoder.to_input(picture).astype(int), resized[4:12, 8:16], atol=2)
    file = tmp_path / "picture.png"
    picture.save(file)
    assert np.abs(encoder.to_input(file).astype(int) - resized[4:12, 8:16]).max() <= 2


def test_a_long_and_narrow_image_takes_no_memory_of_its_length(tmp_path: Path) -> None:
    config = {"size": {"shortest_edge": 1000}, "crop_size": 8}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx"))
    assert encoder.to_input(Image.new("L", (60_000, 1), 77)).tolist() == [[[77] * 3] * 8] * 8


def test_without_a_file_beside_an_image_is_shown_whole_on_the_color_of_its_border(tmp_path: Path) -> None:
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx"))
    wide = np.zeros((4, 16, 3), np.uint8)
    wide[:, 6:10] = 250
    found = encoder.to_input(wide)
    assert found.shape == (8, 8, 3)
    assert (found[:3] == 0).all() and (found[5:] == 0).all() and found[4, 4].min() > 200


def test_size_is_asked_for_where_nothing_says_it(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx", size="side")
    with pytest.raises(EncoderError, match="encoder_size=224"):
        ImageEncoder(path)
    assert ImageEncoder(path, size=20).image_shape == (20, 20, 3)
    assert ImageEncoder(path, size=(5, 20)).image_shape == (5, 20, 3)


def test_a_size_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx", size=8)
    with pytest.raises(EncoderError, match="8 × 8 pixels, and encoder_size says 9 × 9"):
        ImageEncoder(path, size=9)


def test_grey_images_without_an_axis_of_channels(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    nodes = [helper.make_node("ReduceMean", ["pixels"], ["rows"], axes=[2], keepdims=0)]
    save(path, nodes, {"pixels": (FLOAT, ["n", 4, 6])}, {"rows": (FLOAT, ["n", 4])})
    encoder = ImageEncoder(path)
    assert encoder.image_shape == (4, 6)
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 6), np.uint8)
    np.testing.assert_allclose(encoder.transform(images), images.mean(axis=2) / 255, rtol=1e-5)


def test_maps_of_features_are_averaged_over_space(tmp_path: Path) -> None:
    encoder = ImageEncoder(convolution_encoder(tmp_path / "m.onnx"))
    assert (encoder.image_shape, encoder.n_features_out) == ((16, 16), 5)
    image = np.random.default_rng(2).integers(0, 256, (16, 16), np.uint8)
    session = ReferenceEvaluator(str(encoder.path))
    (maps,) = session.run(None, {"pixels": (image / 255).astype(np.float32)[None, None]})
    np.testing.assert_allclose(encoder.transform([image])[0], maps[0].mean(axis=(1, 2)), rtol=1e-4)


def test_the_first_token_of_the_hidden_state_is_taken_unless_another_output_is_named(tmp_path: Path) -> None:
    path = token_encoder(tmp_path / "m.onnx")
    picture = np.arange(4, dtype=np.uint8).reshape(2, 2, 1).repeat(3, axis=2)
    first = ImageEncoder(path, size=2, mean=[0], std=[1 / 255])
    assert first.output == "last_hidden_state"
    np.testing.assert_allclose(first.transform([picture]), [[0, 0, 0]], atol=1e-4)
    named = ImageEncoder(f"{path}:logits", size=2, mean=[0], std=[1 / 255])
    np.testing.assert_allclose(named.transform([picture]), [[1.5, 1.5, 1.5]], rtol=1e-4)
    assert named.key != first.key
    with pytest.raises(EncoderError, match="no output 'other' of floats: choose among logits, last_hidden_state"):
        ImageEncoder(f"{path}:other", size=2)


def test_batch_of_a_fixed_size_is_filled_up(tmp_path: Path) -> None:
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx", batch=4))
    assert encoder.batch_size == 4
    found = encoder.transform([plain_picture(color=(10 * i, 0, 0)) for i in range(6)])
    np.testing.assert_allclose(found, [expected((10 * i, 0, 0)) for i in range(6)], rtol=1e-4, atol=1e-4)


def normalized_over_the_batch(path: Path, batch: int | str) -> Path:
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["of_batch"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["pixels", "of_batch"], ["centered"]),
        helper.make_node("Add", ["centered", "one"], ["moved"]),
        helper.make_node("ReduceMean", ["moved"], ["embedding"], axes=[2, 3], keepdims=0),
    ]
    shapes = {"pixels": (FLOAT, [batch, 3, 8, 8])}, {"embedding": (FLOAT, [batch, 3])}
    return save(path, nodes, *shapes, {"one": np.ones(1, np.float32)})


def test_images_are_encoded_one_by_one_where_the_batch_matters(tmp_path: Path) -> None:
    assert ImageEncoder(normalized_over_the_batch(tmp_path / "m.onnx", "n")).batch_size == 1
    with pytest.raises(EncoderError, match="depends on the others in its batch of 4"):
        ImageEncoder(normalized_over_the_batch(tmp_path / "m.onnx", 4))


def test_key_changes_with_the_weights_and_the_preprocessing(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx")
    before = ImageEncoder(path).key
    assert ImageEncoder(path).key == before
    assert ImageEncoder(path, mean=[0.5]).key != before
    convolution_encoder(path)
    assert ImageEncoder(path).key != before


def one_node(path: Path, *arguments: object, shape: object = None, out: object = None, **attributes: object) -> Path:
    """A model of one node from pixels to embedding."""
    node = helper.make_node(*arguments, **attributes)
    inputs, outputs = {"pixels": (FLOAT, shape or ["n", 3, 8, 8])}, {"embedding": (FLOAT, out)}
    return save(path, [node], inputs, outputs)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: one_node(p, "Identity", ["pixels"], ["embedding"], shape=["n", 64], out=["n", 64]), "2 axes"),
        (lambda p: one_node(p, "Identity", ["pixels"], ["embedding"], shape=["n", 7, 8, 8]), "1 or 3 channels"),
        (lambda p: one_node(p, "Identity", ["pixels"], ["embedding"], shape=["n", 3, 5000, 5000]), "5000 pixels"),
        (lambda p: one_node(p, "Sqrt", ["pixels"], ["embedding"]), "NaN"),
        (lambda p: one_node(p, "RandomNormalLike", ["pixels"], ["embedding"]), "another vector for the same image"),
        (lambda p: one_node(p, "ReduceMean", ["pixels"], ["embedding"], axes=[0, 1, 2, 3], keepdims=0), "is () for 1"),
        (lambda p: one_node(p, "Stolen", ["pixels"], ["embedding"], domain="evil.example"), "cannot be loaded"),
        (lambda p: p.write_bytes(b"no model"), "not an ONNX file"),
        (lambda p: p.write_bytes(b""), "not an ONNX file"),
        (lambda p: None, "no such file"),
    ],
)
def test_files_that_are_no_encoders_end_as_a_sentence(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "m.onnx"
    make(path)
    with pytest.raises(EncoderError) as caught:
        ImageEncoder(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value) or "pixels" in said


def test_outputs_of_integers_and_several_inputs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    cast = helper.make_node("Cast", ["pixels"], ["codes"], to=onnx.TensorProto.INT64)
    save(path, [cast], {"pixels": (FLOAT, ["n", 3, 8, 8])}, {"codes": (onnx.TensorProto.INT64, None)})
    with pytest.raises(EncoderError, match="no output of floats"):
        ImageEncoder(path)
    add = helper.make_node("Add", ["pixels", "text"], ["embedding"])
    save(path, [add], dict.fromkeys(["pixels", "text"], (FLOAT, ["n", 3, 8, 8])), {"embedding": (FLOAT, None)})
    with pytest.raises(EncoderError, match=r"2 inputs \(pixels, text\)"):
        ImageEncoder(path)


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd", "a/weights.bin", "missing.bin"])
def test_weights_elsewhere_than_beside_the_file_are_refused(tmp_path: Path, place: str) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx")
    model = onnx.load(str(path))
    (weights,) = model.graph.initializer
    del weights.external_data[:]
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    weights.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EncoderError, match="beside"):
        ImageEncoder(path)


def test_weights_in_a_file_beside_are_read_and_part_of_the_digest(tmp_path: Path) -> None:
    path = mean_color_encoder(tmp_path / "m.onnx")
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="m.weights", size_threshold=0)
    encoder = ImageEncoder(path)
    assert encoder.files == [path, tmp_path / "m.weights"]
    np.testing.assert_allclose(encoder.transform([plain_picture()])[0], expected(), rtol=1e-5)
    data = bytearray((tmp_path / "m.weights").read_bytes())
    data[0] ^= 1
    (tmp_path / "m.weights").write_bytes(data)
    assert ImageEncoder(path).digest != encoder.digest


@pytest.mark.parametrize("text", ["{", "[]", '{"size": "big"}', '{"size": {"longest_edge": 5}}', '{"image_std": [0]}'])
def test_damaged_settings_beside_end_as_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(EncoderError, match=r"preprocessor_config|encoder_std"):
        ImageEncoder(mean_color_encoder(tmp_path / "m.onnx"))


def test_every_cut_of_a_model_ends_as_a_sentence(tmp_path: Path) -> None:
    data = convolution_encoder(tmp_path / "whole.onnx").read_bytes()
    path, random = tmp_path / "m.onnx", np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(bytes(damaged[: random.integers(1, len(data) + 1)]))
        try:
            ImageEncoder(path)
        except EncoderError as error:
            assert str(error)


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    encoder = ImageEncoder(mean_color_encoder(tmp_path / "m.onnx"))
    (tmp_path / "no.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no\.png: cannot be decoded"):
        encoder.transform([tmp_path / "no.png"])
    assert encoder.transform([]).shape == (0, 6)


def test_a_model_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_SECONDS", 0.5)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Add", ["x", "x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Loop", ["trips", "always", "means"], ["embedding"], body=body),
    ]
    inputs, outputs = {"pixels": (FLOAT, ["n", 3, 8, 8])}, {"embedding": (FLOAT, None)}
    path = save(tmp_path / "m.onnx", nodes, inputs, outputs, {"trips": np.array(2**60), "always": np.array(True)})
    with pytest.raises(EncoderError, match=r"1 image took over 0\.5 s"):
        ImageEncoder(path)


def test_a_model_that_takes_more_memory_than_there_is_ends_as_a_sentence(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceMean", ["large"], ["mean"], keepdims=0),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Add", ["means", "mean"], ["embedding"]),
    ]
    inputs, outputs = {"pixels": (FLOAT, ["n", 3, 8, 8])}, {"embedding": (FLOAT, ["n", 3])}
    path = save(tmp_path / "m.onnx", nodes, inputs, outputs, {"shape": np.array([2**24, 2**24])})
    with pytest.raises((EncoderError, RuntimeError), match=r"m\.onnx|memory|llocat"):
        ImageEncoder(path)
