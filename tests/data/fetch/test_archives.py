import gzip
import io
import tarfile

import pytest

from jnn.data.fetch import archives
from jnn.data.fetch.archives import read_member
from jnn.errors import JnnError
from tests.data.fetch.archive_files import tar_bytes, zip_bytes

CONTENT = bytes(range(256)) * 4
FORMS = pytest.mark.parametrize(
    "form",
    [
        zip_bytes,
        tar_bytes,
        lambda *a: tar_bytes(*a, mode="w:xz"),
        lambda *a: tar_bytes(*a, mode="w"),
    ],
)


@pytest.fixture
def archive(tmp_path):
    def write(content):
        path = tmp_path / "package"
        path.write_bytes(content)
        return path

    return write


@FORMS
def test_the_named_member_is_read_and_nothing_is_written(form, archive, tmp_path):
    path = archive(form({"a/b.csv": CONTENT, "a/c.csv": b"other"}))
    assert read_member(path, "a/b.csv", len(CONTENT)) == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["package"]


@FORMS
@pytest.mark.parametrize("inner", [zip_bytes, tar_bytes])
def test_an_archive_inside_an_archive_is_entered(form, inner, archive):
    path = archive(form({"p/resources": inner({"r/d.csv": CONTENT})}))
    assert read_member(path, "p/resources!/r/d.csv", len(CONTENT)) == CONTENT


@FORMS
def test_a_pattern_joins_the_matching_members_in_natural_order(form, archive):
    path = archive(
        form(
            {
                "t/s10.txt": b"ten",
                "t/s2.txt": b"two",
                "t/other": b"no",
                "t/s1.txt": b"one",
                "t/s1\N{SUPERSCRIPT TWO}2.txt": b"squared",
            }
        )
    )
    assert read_member(path, "t/*.txt", 100, b"|") == b"one|squared|two|ten"


@FORMS
def test_a_missing_member_is_named(form, archive):
    with pytest.raises(JnnError, match=r"'package'.*no such member.*'a/x\.csv'"):
        read_member(archive(form({"a/b.csv": CONTENT})), "a/x.csv", 10)


@FORMS
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil"])
def test_an_archive_with_a_name_that_climbs_out_is_refused(form, name, archive):
    with pytest.raises(JnnError, match=r"not to be trusted"):
        read_member(archive(form({name: b"x", "a/b.csv": CONTENT})), "a/b.csv", len(CONTENT))


@FORMS
def test_a_link_is_refused(form, archive):
    with pytest.raises(JnnError, match=r"'a/link': got a link"):
        read_member(archive(form({"a/b.csv": CONTENT}, [("a/link", "/etc/passwd")])), "a/link", 100)


@FORMS
def test_a_member_larger_than_declared_is_refused(form, archive):
    bomb = archive(form({"bomb": bytes(10**6)}))
    with pytest.raises(JnnError, match=r"got 1000000 bytes, expected at most 1000.*bomb"):
        read_member(bomb, "bomb", 1000)


@FORMS
def test_joined_members_together_larger_than_declared_are_refused(form, archive):
    with pytest.raises(JnnError, match=r"expected at most 400"):
        read_member(archive(form({"a1": bytes(600), "a2": bytes(600)})), "a*", 1000)


def test_a_zip_member_larger_than_its_header_says_is_refused(archive):
    honest = zip_bytes({"bomb": bytes(10**5)})
    lying = honest.replace((10**5).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(JnnError, match=r"truncated or altered|bomb"):
        read_member(archive(lying), "bomb", 100)


def test_a_tar_that_holds_more_than_the_limit_is_refused(archive, monkeypatch):
    monkeypatch.setattr(archives, "ARCHIVE_LIMIT", 10**5)
    with pytest.raises(JnnError, match=r"more than 100000 bytes"):
        read_member(
            archive(tar_bytes({"large": bytes(10**6), "small": CONTENT})), "small", len(CONTENT)
        )


def resized(content, size):
    """A plain tar file with another size in the header of its first member."""
    header = bytearray(content[:512])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content[512:]


def pax(content, size):
    """A plain tar file whose first member has this size in a header of its own."""
    record = f" size={size}\n"
    record = f"{len(record) + 2}{record}".encode()
    header = resized(content, b"%011o\0" % len(record))
    header = bytearray(header[:512])
    header[156:157], header[148:156] = b"x", b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + record.ljust(512, b"\0") + content


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tar: pax(tar, "-1024"), "got ReadError: a member of -1024 bytes"),
        (lambda tar: pax(tar, "abcde"), "got ReadError: a member of abcde bytes"),
        (lambda tar: resized(tar, (-512).to_bytes(12, signed=True)), "a member of -512 bytes"),
        (lambda tar: resized(tar, b"\x80" + (2**60).to_bytes(11)), f"got {2**60} bytes"),
    ],
)
def test_impossible_sizes_are_refused(archive, damage, message):
    whole = tar_bytes({"a": CONTENT}, mode="w")
    assert read_member(archive(pax(whole, "01024")), "a", len(CONTENT)) == CONTENT
    with pytest.raises(JnnError, match=message):
        read_member(archive(damage(whole)), "a", len(CONTENT))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_damaged_header_is_not_the_end(archive, mode):
    whole = tar_bytes({"a": CONTENT, "b": CONTENT}, mode="w")
    damaged = bytearray(whole)
    damaged[512 + len(CONTENT)] ^= 1
    content = gzip.compress(damaged) if mode == "w:gz" else bytes(damaged)
    with pytest.raises(JnnError, match=r"a damaged header.*truncated or altered"):
        read_member(archive(content), "*", 2 * len(CONTENT))


def test_a_file_with_holes_is_refused(archive):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as opened:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "1024"}
        opened.addfile(info)
    with pytest.raises(JnnError, match="a file with holes, expected a plain file"):
        read_member(archive(stream.getvalue()), "a", 2000)


@FORMS
@pytest.mark.parametrize("pattern", ["*", "absent"])
def test_an_archive_of_too_many_members_is_refused(form, pattern, archive, monkeypatch):
    members = {f"{i}": b"" for i in range(12)}
    path = archive(form(members))
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 12)
    assert read_member(path, "*", 0) == b""
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 11)
    with pytest.raises(JnnError, match=r"more than 11 members in it.*bomb"):
        read_member(path, pattern, 0)


def test_empty_members_are_refused_before_all_are_read(archive):
    header = tar_bytes({"a": b""}, mode="w")[:512]
    with pytest.raises(JnnError, match=r"more than 20000 members"):
        read_member(archive(header * 100_000), "*", 10)
    end = b"PK\x05\x06" + bytes(8) + (10**8).to_bytes(4, "little") + bytes(6)
    with pytest.raises(JnnError, match=r"more than 20000 members"):
        read_member(archive(b"PK" + end), "*", 10)
    with pytest.raises(JnnError, match=r"more than 20000 members"):
        read_member(archive(b"PK" + b"PK\x06\x07" + bytes(16) + end[:12] + bytes(10)), "*", 10)


@FORMS
def test_any_flipped_byte_is_read_right_or_refused(form, archive):
    """Whatever class the decoders raise; only names and contents of plain tar files may differ."""
    whole = form({"a/b": CONTENT[:300], "a/c": CONTENT[:40]})
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        read_or_refuse(archive(bytes(damaged)), "a/c")


def read_or_refuse(path, name):
    try:
        return read_member(path, name, len(CONTENT))
    except JnnError as error:
        return str(error)


@FORMS
def test_a_truncated_archive_is_refused_or_read_right(form, archive):
    whole = form({"a": CONTENT, "b": CONTENT[::-1]})
    read = [
        read_or_refuse(archive(whole[:length]), "b")
        for length in range(0, len(whole), len(whole) // 40)
    ]
    # A cut through the padding at the end of a tar file loses nothing.
    refused = [text for text in read if text != CONTENT[::-1]]
    assert len(refused) >= 10
    assert all("truncated or altered" in text or "no such member" in text for text in refused)


@pytest.mark.parametrize("content", [b"", b"neither a zip nor a tar file", bytes(2000)])
def test_other_files_are_refused(content, archive):
    with pytest.raises(JnnError, match=r"truncated or altered|no such member"):
        read_member(archive(content), "a", 10)


def test_a_stream_is_read_from_its_start():
    stream = io.BytesIO(tar_bytes({"a": CONTENT}))
    assert read_member(stream, "a", len(CONTENT)) == CONTENT
