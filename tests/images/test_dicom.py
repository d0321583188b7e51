"""DICOM files: values as they are shown, frames as images, and nothing about patients in what a run keeps."""

import io
import zipfile

import numpy as np
import pytest
from fuzzing import fuzz_files
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from latentmap.core.errors import InputError, MissingPackageError
from latentmap.images import open_images, optional_formats
from latentmap.images.decoding import EncodedImage, decode_images, probe_images, read_contents
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.shape import Shape

RAMP = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 20
SECRETS = ("SECRET^NAME", "ID-SECRET", "19700101", "1.2.3.4.5.777")


def dataset(values: np.ndarray, frames: int = 1, **attributes: object) -> Dataset:
    """A data set with pixels and the attributes of a patient."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid(entropy_srcs=["one"])
    made.PatientName, made.PatientID, made.PatientBirthDate, made.StudyInstanceUID = SECRETS
    made.Modality, made.InstanceNumber, made.SliceThickness = "CT", 7, "2.5"
    made.Rows, made.Columns = values.shape[-2:] if values.shape[-1] != 3 else values.shape[-3:-1]
    made.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    made.PhotometricInterpretation = "RGB" if made.SamplesPerPixel == 3 else "MONOCHROME2"
    if made.SamplesPerPixel == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8 * values.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(values.dtype.kind == "i")
    if frames > 1:
        made.NumberOfFrames = frames
    made.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def encoded(made: Dataset) -> bytes:
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def probe(made: Dataset):
    return probe_images([EncodedImage(encoded(made))])[0]


def shown(made: Dataset, limits=None, channels: int = 1) -> np.ndarray:
    shape = Shape(int(made.Rows), int(made.Columns), channels, value_range=limits, float_range=limits)
    (found,) = decode_images([EncodedImage(encoded(made))], shape)
    return found.pixels


def test_values_without_a_window_are_rescaled_and_keep_their_range():
    found = probe(dataset(RAMP, RescaleSlope="2", RescaleIntercept="-1000", BitsStored=12, HighBit=11))
    assert (found.lowest, found.highest, found.is_float) == (-1000, 2 * RAMP.max() - 1000, False)
    found = probe(dataset(RAMP, RescaleSlope="0.5", RescaleIntercept="-1000"))
    assert (found.lowest, found.highest, found.is_float) == (-1000, RAMP.max() / 2 - 1000, True)
    signed = (RAMP.astype(np.int16) - 2000).astype(np.int16)
    assert probe(dataset(signed)).lowest == -2000
    np.testing.assert_array_equal(shown(dataset(RAMP), (0, 3820)), np.rint(RAMP / 3820 * 255))


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (None, lambda v: (v - (1000 - 0.5)) / (800 - 1) + 0.5),
        ("LINEAR_EXACT", lambda v: (v - 1000) / 800 + 0.5),
        ("SIGMOID", lambda v: 1 / (1 + np.exp(-4 * (v - 1000) / 800))),
    ],
)
def test_a_window_decides_what_is_black_and_white(function, wanted):
    made = dataset(RAMP, WindowCenter=["1000", "5"], WindowWidth=["800", "1"], RescaleSlope="1", RescaleIntercept="-24")
    if function:
        made.VOILUTFunction = function
    values = RAMP.astype(float) - 24
    np.testing.assert_allclose(shown(made), wanted(values).clip(0, 1) * 255, atol=0.51)
    assert probe(made).lowest is None, "8 bits, which have no range of the collection"


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_window_that_is_none_is_ignored():
    for center, width in (("1000", "0"), ("1000", "-5"), ("nan", "10")):
        assert probe(dataset(RAMP, WindowCenter=center, WindowWidth=width)).highest == RAMP.max()


def test_lookup_tables():
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [256, 0, 8], bytes(255 - i for i in range(256))
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    pixels = (RAMP // 16).astype(np.uint8)
    np.testing.assert_array_equal(shown(dataset(pixels, VOILUTSequence=[item])), 255 - pixels)
    modality = Dataset()
    modality.LUTDescriptor, modality.LUTData = [4, 1000, 16], np.array([5, 6, 7, 9000], "<u2").tobytes()
    modality["LUTDescriptor"].VR, modality["LUTData"].VR = "US", "OW"
    found = probe(dataset(RAMP, ModalityLUTSequence=[modality]))
    assert (found.lowest, found.highest) == (5, 9000)


def test_white_is_zero_is_inverted():
    grey = (RAMP // 16).astype(np.uint8)
    np.testing.assert_array_equal(shown(dataset(grey, PhotometricInterpretation="MONOCHROME1")), 255 - grey)
    made = dataset(RAMP, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11, RescaleIntercept="-24")
    made.RescaleSlope = "1"
    found = probe(made)
    assert (found.lowest, found.highest) == (4095 - RAMP.max() - 24, 4095 - 24)
    windowed = dataset(RAMP, PhotometricInterpretation="MONOCHROME1", WindowCenter="1000", WindowWidth="800")
    np.testing.assert_array_equal(shown(windowed), 255 - shown(dataset(RAMP, WindowCenter="1000", WindowWidth="800")))


def test_padding_is_black_and_not_part_of_the_range():
    values = RAMP.astype(np.int16)
    values[:, :4] = -2000
    made = dataset(values, PixelPaddingValue=-2000)
    assert probe(made).lowest == values[:, 4:].min()
    assert not shown(made, (0, 3820))[:, :4].any()
    made.PhotometricInterpretation, made.WindowCenter, made.WindowWidth = "MONOCHROME1", "1000", "800"
    assert not shown(made)[:, :4].any()


def test_colours_and_palettes():
    colors = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shown(dataset(colors), channels=3), colors)
    full = np.asarray(Image.fromarray(colors).convert("YCbCr"))
    found = shown(dataset(full, PhotometricInterpretation="YBR_FULL"), channels=3)
    np.testing.assert_allclose(found.astype(int), np.asarray(Image.fromarray(full, "YCbCr").convert("RGB")), atol=2)
    index = (RAMP // 20 % 4).astype(np.uint8)
    made = dataset(index, PhotometricInterpretation="PALETTE COLOR")
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 255]], np.uint16) * 257
    for i, name in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(made, f"{name}PaletteColorLookupTableData", table[:, i].tobytes())
    np.testing.assert_array_equal(shown(made, channels=3), (table // 257)[index])


def test_frames_are_images_and_may_have_their_own_window(tmp_path):
    values = np.stack([RAMP, RAMP[::-1], RAMP // 2])
    made = dataset(values, frames=3)
    made.PerFrameFunctionalGroupsSequence = []
    for width in (400, 800, 1600):
        window = Dataset()
        window.WindowCenter, window.WindowWidth = str(width), str(width)
        group = Dataset()
        group.FrameVOILUTSequence = [window]
        made.PerFrameFunctionalGroupsSequence.append(group)
    (tmp_path / "a.dcm").write_bytes(encoded(made))
    collection = open_images(tmp_path)
    assert collection.paths == ["a.dcm[0]", "a.dcm[1]", "a.dcm[2]"]
    for found, frame, width in zip(collection.images, values, (400, 800, 1600), strict=True):
        wanted = ((frame.astype(float) - (width - 0.5)) / (width - 1) + 0.5).clip(0, 1) * 255
        np.testing.assert_allclose(found, wanted, atol=0.51)


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian])
def test_compressed_files(tmp_path, syntax):
    made = dataset(np.stack([RAMP, RAMP[::-1]]), frames=2)
    if syntax == RLELossless:
        made.compress(syntax)
    else:
        made.file_meta.TransferSyntaxUID = syntax
    (tmp_path / "a.dcm").write_bytes(encoded(made))
    collection = open_images(tmp_path)
    np.testing.assert_array_equal(collection.images[0], np.rint(RAMP / 4095 * 255))
    np.testing.assert_array_equal(collection.images[1], np.rint(RAMP[::-1] / 4095 * 255))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("MR_small_jp2klossless.dcm", (64, 64)),
        ("MR_small_jpeg_ls_lossless.dcm", (64, 64)),
        ("JPEGLSNearLossless_16.dcm", (10, 50)),
        ("SC_rgb_jpeg_gdcm.dcm", (100, 100)),
        ("SC_jpeg_no_color_transform.dcm", (256, 256)),
    ],
)
def test_compressions_of_images(name, size):
    path = get_testdata_file(name, download=False)
    found = probe_images([EncodedImage(path)])[0]
    assert (found.width, found.height) == size
    if name.startswith("MR_small"):
        (same,) = decode_images([EncodedImage(get_testdata_file("MR_small.dcm", download=False))], Shape(64, 64, 1))
        (one,) = decode_images([EncodedImage(path)], Shape(64, 64, 1))
        np.testing.assert_array_equal(one.pixels, same.pixels)


def test_files_are_found_by_their_first_bytes(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("IM000001", "1.2.840.113", "a.dcm"):
        (tmp_path / "in" / name).write_bytes(encoded(dataset(RAMP)))
    like_tiff = bytearray(encoded(dataset(RAMP)))
    like_tiff[:8] = b"II*\0\x08\0\0\0"
    (tmp_path / "in" / "both").write_bytes(like_tiff)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in (tmp_path / "in").iterdir():
            archive.write(path, path.name)
    for source in (tmp_path / "in", tmp_path / "in.zip"):
        assert open_images(source).paths == ["1.2.840.113", "IM000001", "a.dcm", "both"]


def test_nothing_about_patients_is_kept_unless_asked_for(tmp_path):
    (tmp_path / "a.dcm").write_bytes(encoded(dataset(RAMP)))
    (tmp_path / "b").write_bytes(encoded(dataset(np.stack([RAMP, RAMP]), frames=2)))
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(tmp_path / "c.png")
    plain = open_images(tmp_path).table
    assert not any(secret in str(plain.to_pydict()) for secret in SECRETS)
    asked = open_images(tmp_path, metadata=["Modality", "InstanceNumber", "SliceThickness", "PatientID"]).table
    assert asked["path"].to_pylist() == ["a.dcm", "b[0]", "b[1]", "c.png"]
    assert asked["Modality"].to_pylist() == ["CT", "CT", "CT", None]
    assert asked["InstanceNumber"].to_pylist() == [7, 7, 7, None]
    assert asked["SliceThickness"].to_pylist() == [2.5, 2.5, 2.5, None]
    assert asked["PatientID"].to_pylist() == ["ID-SECRET"] * 3 + [None]
    assert [one for one in SECRETS if one in str(asked.to_pydict())] == ["ID-SECRET"]


def test_reasons_quote_no_value():
    data = encoded(dataset(RAMP, WindowCenter="1000", WindowWidth="800"))
    for broken in (
        data.replace(b"DS\x04\x001000", b"DS\x04\x00SECR"),
        data[: len(data) // 2],
        data.replace(b"MONOCHROME2", b"SECRETSCRT "),
        encoded(dataset(RAMP, Rows=0)),
    ):
        for found in (*probe_images([EncodedImage(broken)]), read_contents(EncodedImage(broken), False)):
            text = getattr(found, "reason", "")
            assert not any(secret in text for secret in (*SECRETS, "SECR ", "CT")), text


def test_sizes_that_a_header_states(tmp_path):
    many = dataset(RAMP)
    many.NumberOfFrames = 10**9
    assert read_contents(EncodedImage(encoded(many)), False).n < 10
    huge = dataset(RAMP)
    huge.Rows = huge.Columns = 60_000
    assert "decompression bombs" in probe_images([EncodedImage(encoded(huge))])[0].reason
    report = dataset(RAMP)
    del report.PixelData, report.Rows
    assert probe_images([EncodedImage(encoded(report))])[0].reason == "a DICOM file without an image"


def test_keywords_are_checked(monkeypatch):
    for wrong in ("Modalitty", "PixelData", "VOILUTSequence"):
        with pytest.raises(InputError, match=f"metadata='{wrong}'"):
            open_images(np.zeros((3, 8, 8), np.uint8), metadata=[wrong])
    assert ReadingOptions(metadata=("Modality",)).changed() == {"metadata": ["Modality"]}
    assert ReadingOptions.of({"metadata": ["Modality"], "frames": True}).metadata == ("Modality",)
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r"pip install 'latentmap\[dicom\]'"):
        open_images(np.zeros((3, 8, 8), np.uint8), metadata=["Modality"])


def originals() -> list[tuple[str, bytes]]:
    """DICOM files: windowed, signed, frames, RLE, deflated, palettes, and those of pydicom's tests."""
    compressed = dataset(np.stack([RAMP, RAMP[::-1]]), frames=2)
    compressed.compress(RLELossless)
    deflated = dataset(RAMP)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made = [dataset(RAMP, WindowCenter="1000", WindowWidth="800"), compressed, deflated]
    made.append(dataset(RAMP.astype(np.int16), PixelPaddingValue=-5, RescaleSlope="2", RescaleIntercept="-10"))
    names = (
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "examples_palette.dcm",
    )
    made += [dcmread(get_testdata_file(name, download=False)) for name in names]
    return [("dcm", encoded(one)) for one in made]


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 300, seed=1, n_kept=132)
    assert decoded > 50
    assert skipped > 20
    assert peak < 2**30


def test_a_reason_does_not_quote_the_file(monkeypatch):
    def fail(*_args, **_options):
        raise ValueError(f"cannot read {SECRETS[0]}")

    monkeypatch.setattr("pydicom.dcmread", fail)
    found = read_contents(EncodedImage(encoded(dataset(RAMP))), False)
    assert found.reason == "a damaged DICOM file (ValueError)"
