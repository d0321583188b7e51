"""Detection of the encoding of text: UTF-8, UTF-16, UTF-32, or a legacy encoding that is recognised safely."""

import re
from collections.abc import Iterable
from itertools import chain

BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
BOMS |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # after UTF-32, whose mark begins with the same bytes
MAX_SAMPLE_BYTES = 2**22  # of lines that are not ASCII, from which a legacy encoding is detected
# The most frequent syllables of Korean: a third of any Korean text, and a small fraction of text of other languages
# that is decoded as Korean.
COMMON_SYLLABLES = frozenset(
    "가각간갈감강개거건걸것게겨결경계고골공과관광교구국군그극근글금급기길김나난날남내너네년노논놀누눈는능니님다단달담당대더던데도독동"
    "되된두드들등디따때떤또라락란람랑래러런레려력련령로록료루류르른를름리린립마만말맛매머먼메면명모목몸무문물미민바박반발밤방배백버번벌"
    "법벽변별병보복본볼부북분불비빛빨빵사산살삼상새색생서석선설성세소속손송수순술스시식신실심십싱써씨아악안알암았앞애야약양어언얼엄업없"
    "었에여역연열영예오온올와완왕외요용우운울원월위유육으은을음의이인일임입있자작잔잘장재저적전절점접정제조족존종좋죄주준중즈증지직진질"
    "집쪽차찬참창책처천철첫청체초총추축출충치친침카커코콩크키타탄태터토통투트특티파판패팔페편평포표푸품풍프피필하학한할함합항해행향허험"
    "현형호혼화확환활황회효후흐흑흙희히힘강꽃끼말닭돼뱀곰쥐벌벚귤감삵흰검붉푸"
)
MIN_COMMON_SYLLABLES = 0.25  # of the Hangul syllables
MIN_SCRIPT_FRACTION = 0.9  # of the characters that are not ASCII
# Bytes that cp1252 does not define, three of its accented letters in a row, punctuation or signs within a word, and two
# signs in a row. They do not occur in Western text, and are frequent in text of other encodings.
SIGN_BYTES = rb"\xa1-\xa9\xac\xae-\xb4\xb6\xb8\xb9\xbc-\xbf"
NOT_IN_WORDS_BYTES = rb"\x80\x82\x84-\x89\x8b\x93-\x95\x98\x9b" + SIGN_BYTES
NOT_WESTERN = re.compile(
    rb"[\x81\x8d\x8f\x90\x9d]|[\xc0-\xff]{3}|[A-Za-z\xc0-\xff][%b][A-Za-z]|[\xc0-\xff][%b]|[%b]{2}"
    % (NOT_IN_WORDS_BYTES, SIGN_BYTES, SIGN_BYTES)
)


def detect_encoding(blocks: Iterable[bytes]) -> str | None:
    """Detect the encoding of text.

    A byte-order mark decides. Other text is UTF-8 if it is valid UTF-8; the Korean cp949, the Japanese cp932 and the
    Western cp1252 are detected by the decoded characters.

    Parameters
    ----------
    blocks : iterable of bytes
        The text, in consecutive blocks.

    Returns
    -------
    str or None
        Name of the encoding; None if it cannot be detected.

    Examples
    --------
    >>> detect_encoding(["é".encode("cp1252"), b"t"])
    'cp1252'
    """
    rest = iter(blocks)
    first = next(rest, b"")
    for mark, name in BOMS.items():
        if first.startswith(mark):
            return name
    if b"\0" in first[:4096]:
        return _detect_utf_16(first[:4096])
    sample, is_utf_8 = b"", True
    incomplete = b""  # end of the previous block, which may end within a character
    for block in chain([first], rest):
        text = incomplete + block
        try:
            text.decode("utf-8")
            incomplete = b""
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and len(text) - error.start < 4:
                incomplete = text[error.start :]
            else:
                is_utf_8, incomplete = False, b""
        if not block.isascii() and len(sample) < MAX_SAMPLE_BYTES:
            sample += b"\n".join(line for line in block.split(b"\n") if not line.isascii())
    return "utf-8" if is_utf_8 and not incomplete else _detect_legacy_encoding(sample)


def _detect_utf_16(data: bytes) -> str | None:
    """Detect UTF-16 without a byte-order mark: every second byte of mostly Latin text is zero."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    if max(even, odd) < len(data) // 4 or min(even, odd) > 0:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _detect_legacy_encoding(sample: bytes) -> str | None:
    if _is_korean(sample):
        return "cp949"
    if _is_japanese(sample):
        return "cp932"
    return None if NOT_WESTERN.search(sample) else "cp1252"


def _non_ascii_characters(sample: bytes, encoding: str) -> list[str]:
    # a sample may be cut within a character
    return [letter for letter in sample.decode(encoding, "ignore") if letter > "\x7f"]


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError as error:
        return error.end >= len(sample)
    return True


def _is_korean(sample: bytes) -> bool:
    if not _decodes(sample, "cp949"):
        return False
    letters = _non_ascii_characters(sample, "cp949")
    syllables = [letter for letter in letters if "가" <= letter <= "힣" and letter.encode("cp949")[1] >= 0xA1]
    common = sum(letter in COMMON_SYLLABLES for letter in syllables)
    return len(syllables) >= MIN_SCRIPT_FRACTION * len(letters) and common >= MIN_COMMON_SYLLABLES * len(syllables) > 0


def _is_japanese(sample: bytes) -> bool:
    if not _decodes(sample, "cp932"):
        return False
    letters = _non_ascii_characters(sample, "cp932")
    kana = sum("ぁ" <= letter <= "ヿ" for letter in letters)
    known = sum("\u3000" <= letter <= "\u9fff" or "\uff01" <= letter <= "\uff5e" for letter in letters)
    return known >= MIN_SCRIPT_FRACTION * len(letters) and 4 * kana >= len(letters) > 0
