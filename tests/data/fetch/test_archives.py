import io

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
def test_the_member_asked_for_is_read_and_nothing_is_written(form, archive, tmp_path):
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
        form({"t/s10.txt": b"ten", "t/s2.txt": b"two", "t/other": b"no", "t/s1.txt": b"one"})
    )
    assert read_member(path, "t/*.txt", 100, b"|") == b"one|two|ten"


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
