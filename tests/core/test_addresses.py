"""Addresses, and what of them may be written down."""

import pytest

from latentmap.core.addresses import beside, folder_of, is_address, name_of, public_address, without_secrets


@pytest.mark.parametrize(
    ("source", "expected"),
    [("s3://bucket/a", True), ("HTTPS://host", True), ("C://a", False), ("scans/a.png", False), (None, False)],
)
def test_an_address_has_a_scheme(source, expected):
    assert is_address(source) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://me:pw@host/a.png", "https://host/a.png"),
        ("https://me:p@w@host/a@b.png", "https://host/a@b.png"),
        ("https://host/a.png#token=1", "https://host/a.png"),
        ("https://host/a?id=7&X-Amz-Signature=1&X-Amz-Credential=2&size=3", "https://host/a?id=7&size=3"),
        ("https://host/a?sv=1&st=2&se=3&sr=b&sp=r&sig=4", "https://host/a"),
        ("https://host/a?access_token=1;b=2", "https://host/a?b=2"),
        ("https://host/a?%73ig=1", "https://host/a"),
        (
            "https://host/a?Expires=1&Signature=2&Key-Pair-Id=3&AWSAccessKeyId=4&GoogleAccessId=5&api_key=6",
            "https://host/a",
        ),
        ("s3://key:secret@bucket/a#1.png", "s3://bucket/a#1.png"),
        ("s3://bucket/a@b.png", "s3://bucket/a@b.png"),
    ],
)
def test_secrets_are_left_out(address, expected):
    assert public_address(address) == expected
    assert without_secrets(f"see '{address}' there") == f"see '{expected}' there"


def test_parts_of_an_address():
    assert name_of("https://host/a/b%20c.zip?x=/d.png") == "b c.zip"
    assert name_of("s3://bucket/a/b%20c?.zip") == "b%20c?.zip"
    assert folder_of("https://host/a/b.csv?x=/y") == "https://host/a"
    assert folder_of("https://host") == "https://host"
    assert beside("https://host/a", "b c#1.png") == "https://host/a/b%20c%231.png"
    assert beside("s3://bucket/a", "../../../b c#1.png") == "s3://bucket/b c#1.png"
    assert beside("s3://bucket", "./a//b.png") == "s3://bucket/a/b.png"
