"""Runs whose vectors a frozen encoder computes, and decoders of given vectors."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import latentmap as lm
from latentmap.core.errors import EncoderError, InputError, OptionError, RunError
from latentmap.encoder import ImageEncoder, session
from latentmap.images.listing import Listing
from latentmap.images.sources import find_source
from latentmap.run import Run, RunOptions, make, make_run, tables
from latentmap.run.adding import add_images
from latentmap.run.encoding import encoded_store, kept_encoder
from latentmap.run.encoding.input_pixels import InputPixels
from latentmap.run.options import SourceOptions
from onnx_models import mean_color_encoder, stretched_encoder

OPTIONS = RunOptions(groups="kmeans", n_clusters=3, decoder=True, epochs=1, network="dense")
DECODING = SourceOptions(size=8).decoding()
N = 24


def write_pictures(folder: Path, n: int = N, seed: int = 0) -> list[Path]:
    """Pictures of 40×30 in three colours, with a bar of a width that a run of 8×8 pixels does not keep."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = []
    for i in range(n):
        pixels = np.full((30, 40, 3), np.eye(3)[i % 3] * 200, np.uint8) + random.integers(0, 30, (30, 40, 3), np.uint8)
        pixels[:, i % 40] = 250
        paths.append(folder / f"p{i:02d}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "pictures"
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return stretched_encoder(tmp_path_factory.mktemp("model") / "model.onnx", size=16)


@pytest.fixture(scope="module")
def finished(pictures, model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    make_run(pictures, folder, OPTIONS, decoding=DECODING, encoder=ImageEncoder(model))
    return folder


@pytest.fixture
def run(finished, tmp_path) -> Run:
    return Run.open(shutil.copytree(finished, tmp_path / "run"))


def same_stages(monkeypatch) -> list[str]:
    """The stages that are run again, from now on."""
    done: list[str] = []
    for stage, function in make.FUNCTIONS.items():
        monkeypatch.setitem(make.FUNCTIONS, stage, lambda work, f=function, s=stage: (done.append(s), f(work))[1])
    return done


def test_vectors_are_those_of_the_files_at_the_size_of_the_input(run, pictures, model):
    expected = ImageEncoder(model).transform(sorted(pictures.iterdir()))
    np.testing.assert_allclose(run.latents(), expected, rtol=1e-5, atol=1e-5)
    of_small = ImageEncoder(model).transform(run.images().images)
    assert np.abs(of_small - expected).max() > 0.1
    assert run.images().images.shape == (N, 8, 8, 3)
    assert (run.has_vectors, run.has_frozen_encoder, run.has_encoder, run.has_decoder) == (True,) * 4


def test_the_decoder_gives_reconstructions_and_errors(run):
    decoder, images = run.decoder(), run.images().images
    np.testing.assert_allclose(run.errors(), decoder.score_samples(run.latents(), images), rtol=1e-5)
    assert decoder.predict(run.latents()).shape == (N, 8, 8, 3)
    assert run.metrics()["reconstruction_error"] == pytest.approx(float(run.errors().mean()), rel=1e-5)
    with pytest.raises(RunError, match="decoder: ask for that"):
        run.model()


def test_the_same_command_keeps_everything_and_another_mean_only_the_images(pictures, model, run, monkeypatch):
    done = same_stages(monkeypatch)
    make_run(pictures, run.path, OPTIONS, decoding=DECODING, encoder=ImageEncoder(model))
    assert done == []
    make_run(pictures, run.path, OPTIONS, decoding=DECODING, encoder=ImageEncoder(model, mean=[0.5], std=[0.5]))
    assert done[:3] == ["vectors", "train", "encode"]
    assert "decode" not in done
    other = ImageEncoder(model, mean=[0.5], std=[0.5]).transform(sorted(pictures.iterdir()))
    np.testing.assert_allclose(Run(run.path).latents(), other, rtol=1e-5, atol=1e-5)


def test_without_the_decoder_groups_and_map_stay(pictures, model, run, monkeypatch):
    done = same_stages(monkeypatch)
    plain = RunOptions(groups="kmeans", n_clusters=3)
    make_run(pictures, run.path, plain, decoding=DECODING, encoder=ImageEncoder(model))
    assert done == ["train", "encode", "find", "report"]
    again = Run.open(run.path)
    assert not again.has_decoder
    assert "error" not in tables.column_names(run.path / "latents.parquet")
    with pytest.raises(RunError, match="nothing can be decoded"):
        again.errors()


def test_an_image_file_is_similar_to_itself(run, pictures):
    found = run.similar(pictures / "p07.png", n=2)
    assert found["id"].to_pylist()[0] == 7
    assert found["distance"].to_pylist()[0] == pytest.approx(0, abs=1e-4)
    of_id = run.similar(7, n=3)["id"].to_pylist()
    assert of_id == run.similar(pictures / "p07.png", n=4)["id"].to_pylist()[1:]


def test_added_images_go_through_the_same_encoder(run, model, tmp_path):
    paths = write_pictures(tmp_path / "more", 4, seed=9)
    done = add_images(run.path, tmp_path / "more")
    assert done.n_added == 4
    atlas = Run.open(run.path).atlas()
    latents = np.array(atlas["latent"].to_pylist())[N:]
    np.testing.assert_allclose(latents, ImageEncoder(model).transform(paths), rtol=1e-5, atol=1e-5)
    assert np.isfinite(atlas["error"].to_numpy()[N:]).all()
    with pytest.raises(OptionError, match="computes the vectors of its images with model"):
        add_images(run.path, tmp_path / "more", vectors=np.zeros((4, 6), np.float32))


def test_added_images_that_the_run_has_are_left_out_of_the_vectors(run, model, pictures, tmp_path):
    (new,) = write_pictures(tmp_path / "more", 1, seed=9)
    shutil.copy(pictures / "p03.png", tmp_path / "more" / "a.png")
    done = add_images(run.path, tmp_path / "more")
    assert (done.n_added, done.n_known) == (1, 1)
    latents = np.array(Run.open(run.path).atlas()["latent"].to_pylist())[N:]
    np.testing.assert_allclose(latents, ImageEncoder(model).transform([new]), rtol=1e-5, atol=1e-5)


def test_a_killed_run_resumes_where_the_encoder_was(pictures, model, tmp_path, monkeypatch, finished):
    monkeypatch.setattr(encoded_store, "SECONDS_BETWEEN_SAVES", 0)
    encoder = ImageEncoder(model)
    encoder.batch_size = 5
    encode, seen = encoder.encode, []

    def killed(pixels):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(encoder, "encode", killed)
    with pytest.raises(KeyboardInterrupt):
        make_run(pictures, tmp_path / "run", OPTIONS, decoding=DECODING, encoder=encoder)
    assert (tmp_path / "run" / "cache" / "encoded.f32").stat().st_size >= 10 * 4 * encoder.n_features_out
    seen.clear()
    monkeypatch.setattr(encoder, "encode", lambda pixels: (seen.append(len(pixels)), encode(pixels))[1])
    make_run(pictures, tmp_path / "run", OPTIONS, decoding=DECODING, encoder=encoder)
    assert seen == [5, 5, 4]
    assert not list((tmp_path / "run" / "cache").glob("encoded.*"))
    np.testing.assert_allclose(Run(tmp_path / "run").latents(), Run(finished).latents(), rtol=1e-5, atol=1e-5)


def test_rows_of_another_encoder_or_a_damaged_record_are_not_resumed(tmp_path):
    store = encoded_store.EncodedStore(tmp_path, "key", 3)
    store.append(np.arange(6, dtype=np.float32).reshape(2, 3))
    store.save()
    store.append(np.ones((1, 3), np.float32))  # not saved
    store.close()
    again = encoded_store.EncodedStore(tmp_path, "key", 3)
    assert again.n_done == 2
    assert again.vectors().tolist() == [[0, 1, 2], [3, 4, 5]]
    again.close()
    assert encoded_store.EncodedStore(tmp_path, "other", 3).n_done == 0
    (tmp_path / "encoded.json").write_text("{")
    assert encoded_store.EncodedStore(tmp_path, "key", 3).n_done == 0


def test_files_that_are_gone_or_changed_are_taken_from_the_pixels_of_the_run(run, pictures, tmp_path, model):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "p01.png").unlink()
    (folder / "p02.png").write_bytes((folder / "p03.png").read_bytes())
    listing = find_source(folder)
    assert isinstance(listing, Listing)
    encoder = ImageEncoder(model)
    images = InputPixels(run.images().table, run.images().images, listing)
    read = np.stack(list(images.read(encoder.input_shape(), 0)))
    assert images.n_small == 2
    expected = np.stack([encoder.to_input(path) for path in sorted(pictures.iterdir())])
    same = (read == expected).all(axis=(1, 2, 3))
    assert np.flatnonzero(~same).tolist() == [1, 2]
    np.testing.assert_array_equal(read[1], encoder.to_input(run.images().images[1]))
    later = list(InputPixels(run.images().table, run.images().images, listing).read(encoder.input_shape(), 20))
    np.testing.assert_array_equal(later, read[20:])


def test_each_page_of_a_file_has_its_own_vector(tmp_path, model):
    pages = [Image.new("RGB", (20, 16), (10 * i, 0, 100)) for i in range(6)]
    (tmp_path / "pages").mkdir()
    pages[0].save(tmp_path / "pages" / "a.tif", save_all=True, append_images=pages[1:4])
    pages[4].save(tmp_path / "pages" / "b.png")
    pages[5].save(tmp_path / "pages" / "c.png")
    encoder = ImageEncoder(model)
    made = make_run(tmp_path / "pages", tmp_path / "run", RunOptions(groups="kmeans", n_clusters=2), encoder=encoder)
    np.testing.assert_allclose(made.latents(), encoder.transform(pages), rtol=1e-5, atol=1e-5)


def test_archives_and_several_sources_are_read_again(tmp_path, model):
    first, second = write_pictures(tmp_path / "a", 5, seed=1), write_pictures(tmp_path / "b", 5, seed=2)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for path in second:
            archive.write(path, path.name)
    shutil.rmtree(tmp_path / "b")
    third = write_pictures(tmp_path / "b", 5, seed=2)
    sources = [str(tmp_path / "a"), str(tmp_path / "c.zip")]
    encoder, options, said = ImageEncoder(model), RunOptions(groups="kmeans", n_clusters=2), []
    made = make_run(sources, tmp_path / "run", options, decoding=DECODING, encoder=encoder, say=said.append)
    np.testing.assert_allclose(made.latents(), encoder.transform(first + third), rtol=1e-5, atol=1e-5)
    assert not [line for line in said if "from the pixels of the run" in line]


def test_a_gpu_that_does_not_work_is_done_without(model, monkeypatch):
    import onnxruntime

    usual, asked = onnxruntime.InferenceSession, []

    def broken(path, options, providers, **others):
        asked.append(providers)
        if session.GPU in providers:
            raise RuntimeError("no CUDA device")
        return usual(path, options, providers=providers, **others)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.GPU, session.CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
    with pytest.warns(
        UserWarning, match=r"model\.onnx: onnxruntime cannot start CUDAExecutionProvider \(no CUDA device"
    ):
        assert ImageEncoder(model).runs_on_gpu is False
    assert asked == [[session.GPU, session.CPU], [session.CPU]]


def test_a_gpu_whose_libraries_are_missing_is_a_warning(model, monkeypatch):
    import onnxruntime

    usual = onnxruntime.InferenceSession

    def without_gpu(path, options, providers, **others):
        return usual(path, options, providers=[session.CPU], **others)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.GPU, session.CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_gpu)
    with pytest.warns(
        UserWarning, match=r"its libraries are missing, or of other versions\): the encoder runs on the CPU"
    ):
        ImageEncoder(model)


@pytest.mark.parametrize(
    ("device", "providers"),
    [
        ("auto", [session.GPU, session.CPU]),
        ("cuda", [session.GPU, session.CPU]),
        ("cuda:1", [(session.GPU, {"device_id": 1}), session.CPU]),
        ("cpu", [session.CPU]),
        ("mps", [session.CPU]),
    ],
)
def test_the_device_chooses_the_providers(model, monkeypatch, device, providers):
    import onnxruntime

    usual, asked = onnxruntime.InferenceSession, []

    class WithGpu:
        def __init__(self, path, options, providers, **others):
            asked.append(providers)
            self._inner, self._providers = usual(path, options, providers=[session.CPU], **others), providers

        def get_providers(self):
            return [one if isinstance(one, str) else one[0] for one in self._providers]

        def __getattr__(self, name):
            return getattr(self._inner, name)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["Tensorrt", session.GPU, session.CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", WithGpu)
    encoder = ImageEncoder(model, device=device)
    assert asked == [providers]
    assert encoder.runs_on_gpu == (len(providers) == 2)
    assert encoder.key == ImageEncoder(model, device="cpu").key
    again = ImageEncoder.from_facts(encoder.path, encoder.facts(), device)
    assert (asked[-1], again.runs_on_gpu) == (providers, encoder.runs_on_gpu)


def test_another_device_is_refused(model):
    with pytest.raises(InputError, match="device='gpu': choose auto, cpu, cuda"):
        ImageEncoder(model, device="gpu")


def test_the_encoder_of_a_run_gets_the_device_of_the_run(run, monkeypatch):
    asked = []
    real = session.providers_for
    monkeypatch.setattr(session, "providers_for", lambda device, all_: asked.append(device) or real(device, all_))
    run.state["options"]["device"] = "cpu"
    run.encoder()
    assert asked == ["cpu"]


# ---------------------------------------------------------------- channels


def write_channels(folder: Path, n_channels: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(9):
        values = random.integers(0, 4000, (n_channels, 16, 16)).astype(np.uint16)
        tifffile.imwrite(
            folder / f"{i}.tif", values.transpose(1, 2, 0), photometric="minisblack", planarconfig="contig"
        )
    return folder


def test_an_encoder_of_rgb_does_not_take_five_channels(tmp_path, model):
    source = write_channels(tmp_path / "cells", 5)
    options = RunOptions(groups="kmeans", n_clusters=2)
    wanted = (
        r"model\.onnx: takes RGB images \(3 channels\), and those of cells have 5 channels \(channel 0, .*choose 3 with"
    )
    with pytest.raises(EncoderError, match=wanted):
        make_run(source, tmp_path / "run", options, decoding=DECODING, encoder=ImageEncoder(model))
    array = np.random.default_rng(0).integers(0, 255, (9, 16, 16, 5)).astype(np.uint8)
    with pytest.raises(EncoderError, match="have 5 channels"):
        make_run(array, tmp_path / "other", options, encoder=ImageEncoder(model))
    chosen = SourceOptions(size=8, channels="0,2,4").decoding()
    made = make_run(source, tmp_path / "run", options, decoding=chosen, encoder=ImageEncoder(model))
    assert made.latents().shape == (9, ImageEncoder(model).n_features_out)


def test_arrays_are_encoded_from_their_own_pixels(tmp_path, model):
    images = np.random.default_rng(0).integers(0, 256, (8, 20, 18), np.uint8)
    encoder = ImageEncoder(model)
    made = make_run(images, tmp_path / "run", RunOptions(groups="kmeans", n_clusters=2), encoder=encoder)
    np.testing.assert_allclose(made.latents(), encoder.transform(images), rtol=1e-5, atol=1e-5)


def test_the_copy_in_the_run_makes_it_independent_of_the_file(finished, run, pictures, tmp_path, monkeypatch):
    assert (run.path / "model" / "encoder.onnx").exists()
    assert run.encoder().path == run.path / "model" / "encoder.onnx"
    (run.path / "model" / "encoder.onnx").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"encoder cannot be opened.*give the command of the run again with model\.onnx"):
        run.similar(pictures / "p07.png")


def test_a_large_encoder_is_referred_to_and_missed_with_a_sentence(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_encoder, "MAX_COPIED_BYTES", 100)
    path = mean_color_encoder(tmp_path / "large.onnx")
    options = RunOptions(groups="kmeans", n_clusters=3)
    made = make_run(pictures, tmp_path / "run", options, decoding=DECODING, encoder=ImageEncoder(path))
    assert not (made.path / "model").exists()
    assert made.similar(pictures / "p07.png", n=1)["id"].to_pylist() == [7]
    mean_color_encoder(path, size=9)
    with pytest.raises(RunError, match=r"another file.*put large\.onnx with the SHA-256"):
        made.similar(pictures / "p07.png")
    path.unlink()
    with pytest.raises(RunError, match=r"no such file.*back at"):
        add_images(made.path, write_pictures(tmp_path / "more", 1, seed=9)[0])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n_features_out", 7, "vectors of 9 numbers by an encoder of 7"),
        ("output", "other", "no output 'other'"),
        ("digest", "0" * 64, "another file"),
        ("preprocessing", {"height": 16}, "settings of an encoder that no version wrote"),
        ("preprocessing", {"height": 16, "width": 16, "channels": 2}, "channels=2"),
        ("preprocessing", {"height": 16, "width": 16, "channels": 3, "resample": 9}, "resample=9"),
        ("preprocessing", {"height": 10**6, "width": 16, "channels": 3}, "1000000 pixels"),
        ("preprocessing", {"height": "x", "width": 16, "channels": 3}, "settings of an encoder"),
    ],
)
def test_a_record_that_no_run_has_ends_as_a_sentence(run, pictures, name, value, words):
    path = run.path / "run.json"
    state = json.loads(path.read_text())
    state["vectors"]["encoder"][name] = value
    path.write_text(json.dumps(state))
    with pytest.raises(RunError, match=words):
        Run.open(run.path).similar(pictures / "p07.png")


def test_an_image_that_overflows_is_named(pictures, tmp_path, model, monkeypatch):
    encoder = ImageEncoder(model)
    encode = encoder.encode

    def overflow(pixels):
        found = encode(pixels)
        found[3] = np.inf
        return found

    monkeypatch.setattr(encoder, "encode", overflow)
    with pytest.raises(EncoderError, match=r"for 1 image, the first is p03\.png"):
        make_run(pictures, tmp_path / "run", OPTIONS, decoding=DECODING, encoder=encoder)


def test_images_added_with_one_encoder_do_not_join_those_of_another(run, pictures, model, tmp_path):
    write_pictures(tmp_path / "more", 2, seed=9)
    add_images(run.path, tmp_path / "more")
    other = ImageEncoder(model, mean=[0.5], std=[0.5])
    with pytest.raises(RunError, match="with other vectors"):
        make_run(pictures, run.path, OPTIONS, decoding=DECODING, encoder=other)
    make_run(pictures, run.path, OPTIONS, decoding=DECODING, encoder=ImageEncoder(model))
    assert len(Run.open(run.path).atlas()) == N + 2


def test_a_decoder_of_vectors_from_a_file(pictures, tmp_path, finished):
    np.save(tmp_path / "vectors.npy", Run(finished).latents())
    made = make_run(pictures, tmp_path / "run", OPTIONS, decoding=DECODING, vectors=str(tmp_path / "vectors.npy"))
    np.testing.assert_array_equal(made.errors(), Run(finished).errors())
    assert not made.has_frozen_encoder


def test_the_report_shows_the_decoder_and_the_command(pictures, model, tmp_path):
    folder = tmp_path / "run"
    settings = {"groups": "kmeans", "n_clusters": 3, "size": 8, "quiet": True}
    lm.map_images(
        str(pictures), folder, encoder=str(model), encoder_mean="0.5,0.4,0.3", decoder=True, epochs=1, **settings
    )
    page = (folder / "report.html").read_text()
    assert "computed by the frozen encoder" in page
    assert "The decoder has" in page and "The autoencoder has" not in page
    assert "--decoder" in page and f"--encoder {model}" in page and "--encoder-mean 0.5,0.4,0.3" in page
    for name in ("pairs", "unusual", "interpolations", "traversals", "loss"):
        assert (folder / "figures" / f"{name}.png").exists()
    assert not (folder / "figures" / "samples.png").exists()
