"""Sets of OME-TIFF files are read as one stack, by their first file; the other files say so."""

import shutil
import zipfile

import numpy as np
import pytest
import tifffile

from latentmap import open_images
from latentmap.core.errors import SourceError
from latentmap.images.ome_sets import file_names

RANDOM = np.random.default_rng(0)
PLANES = RANDOM.integers(0, 4096, (3, 24, 20)).astype(np.uint16)
XML = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="20" SizeY="24" SizeC="3"
SizeZ="1" SizeT="1">{channels}{data}</Pixels></Image></OME>"""
CHANNEL = '<Channel ID="Channel:0:{k}" Name="{name}" SamplesPerPixel="1"/>'
DATA = '<TiffData FirstC="{k}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{k}</UUID></TiffData>'
NAMES = ["a.ome.tif", "b.ome.tif", "c.ome.tif"]


def write_set(folder, names=NAMES, planes=PLANES):
    folder.mkdir(exist_ok=True)
    channels = "".join(CHANNEL.format(k=k, name=name) for k, name in enumerate(("dapi", "actin", "spots")))
    data = "".join(DATA.format(k=k, name=name) for k, name in enumerate(names))
    for k, plane in enumerate(planes):
        xml = XML.format(own=k, channels=channels, data=data)
        tifffile.imwrite(folder / NAMES[k], plane, description=xml.encode(), metadata=None, photometric="minisblack")
    return folder


def reasons_of(found):
    return {one.path: one.reason for one in found.skipped}


def test_a_set_is_one_image(tmp_path):
    found = open_images(write_set(tmp_path / "in"), size=24, fit="stretch")
    assert found.paths == ["a.ome.tif"]
    assert [one.name for one in found.channels] == ["dapi", "actin", "spots"]
    whole = tmp_path / "one"
    whole.mkdir()
    metadata = {"axes": "CYX", "Channel": {"Name": ["dapi", "actin", "spots"]}}
    tifffile.imwrite(whole / "x.ome.tif", PLANES, metadata=metadata, photometric="minisblack")
    np.testing.assert_array_equal(found.images, open_images(whole, size=24, fit="stretch").images)
    reason = "read with 'a.ome.tif', the first OME-TIFF file of its set; --axes images reads its pages one by one"
    assert reasons_of(found) == dict.fromkeys(NAMES[1:], reason)


def test_a_set_is_cut(tmp_path):
    found = open_images(write_set(tmp_path / "in"), tiles=8, channels="0,1,2", range="0,65535")
    assert len(found) == 9
    np.testing.assert_array_equal(found.images[0], np.moveaxis(PLANES, 0, -1)[:8, :8])
    assert [one.path for one in found.skipped] == NAMES[1:]


def test_pages_one_by_one_are_all_images(tmp_path):
    found = open_images(write_set(tmp_path / "in"), axes="images")
    assert found.paths == NAMES
    assert not found.skipped


def test_a_file_of_the_set_that_is_missing_is_a_reason(tmp_path):
    write_set(tmp_path / "in")
    (tmp_path / "in" / "b.ome.tif").unlink()
    with pytest.raises(SourceError, match=r"one of a set of 3 OME-TIFF files, of which 'b\.ome\.tif' is not beside it"):
        open_images(tmp_path / "in")


def test_files_elsewhere_are_not_opened(tmp_path):
    write_set(tmp_path / "in", ["a.ome.tif", "../b.ome.tif", "c.ome.tif"])
    shutil.move(tmp_path / "in" / "b.ome.tif", tmp_path / "b.ome.tif")
    with pytest.raises(SourceError, match=r"of which '\.\./b\.ome\.tif' is not beside it"):
        open_images(tmp_path / "in")


def test_sets_in_archives_and_renamed_ones_are_reasons(tmp_path):
    write_set(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in NAMES:
            archive.write(tmp_path / "in" / name, name)
    with pytest.raises(SourceError, match="which are read together from a folder: unpack them"):
        open_images(tmp_path / "all.zip")
    shutil.copy(tmp_path / "in" / "a.ome.tif", tmp_path / "in" / "copy.ome.tif")
    assert "named otherwise" in reasons_of(open_images(tmp_path / "in"))["copy.ome.tif"]


def test_a_damaged_file_of_a_set_is_a_reason(tmp_path):
    write_set(tmp_path / "in")
    for content in (b"", b"II*\0", (tmp_path / "in" / "b.ome.tif").read_bytes()[:700], b"no tiff at all"):
        (tmp_path / "in" / "b.ome.tif").write_bytes(content)
        with pytest.raises(SourceError, match="a.ome.tif|b.ome.tif|no image"):
            open_images(tmp_path / "in")


def test_a_description_in_another_file_is_a_reason(tmp_path):
    (tmp_path / "in").mkdir()
    xml = '<OME xmlns="http://x"><BinaryOnly MetadataFile="set.companion.ome" UUID="urn:uuid:1"/></OME>'
    for k in range(2):
        tifffile.imwrite(tmp_path / "in" / f"{k}.ome.tif", PLANES[k], description=xml.encode(), metadata=None)
    with pytest.raises(SourceError, match=r"described by OME-XML in another file, 'set\.companion\.ome'"):
        open_images(tmp_path / "in")


def test_names_in_descriptions():
    assert file_names('<OME><TiffData><UUID FileName="a">u</UUID></TiffData><UUID FileName="a"/></OME>') == ["a"]
    assert file_names("<OME") == []
    assert file_names('<!DOCTYPE x><OME><UUID FileName="a"/></OME>') == []
