import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatgui.data.load import SAMPLES
from chatgui.errors import DataError
from chatgui.generation.assistant import Library, Passage, Retrieval, grounded, read_passages, sample_documents

ENGLISH = "shop order price colour size water river mountain paper bottle train ticket window letter garden"
CHINESE = "商店 订单 价格 颜色 尺寸 河流 山谷 纸张 瓶子 火车 车票 窗户 信件 花园 天气"


def pages(count: int) -> list[Passage]:
    """Made-up pages in both languages."""
    rng = random.Random(0)
    texts = [
        " ".join(rng.choices(ENGLISH.split(), k=120)) if page % 2 else "".join(rng.choices(CHINESE.split(), k=120))
        for page in range(count)
    ]
    return [Passage(f"p{page}", text, text) for page, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("The Larkspur tent may be returned within 45 days.", "How long can I return the Larkspur tent?"),
        ("云雀岭的帐篷四十五天内可以免费退货。", "云雀岭的帐篷多久之内能退货？"),
    ],
)
def test_the_planted_answer_is_found_in_a_thousand_pages(answer: str, question: str) -> None:
    corpus = pages(999)
    corpus.insert(500, Passage("planted", answer, answer))
    hits = Library(corpus).search(question, Retrieval())
    assert hits[0].passage.source == "planted"


def test_below_the_threshold_nothing_is_found() -> None:
    library = Library(pages(20))
    assert library.search("quantum chromodynamics", Retrieval()) == []
    assert library.search("river quantum chromodynamics", Retrieval()) == []
    assert library.search("river quantum chromodynamics", Retrieval(threshold=0.01))


def test_markdown_text_and_answered_questions_become_passages(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Returns\n\nWithin 30 days.\n\nKeep the receipt.", encoding="utf-8")
    (tmp_path / "b.csv").write_text("question,answer\nOpen today?,Until six.\n", encoding="utf-8")
    (tmp_path / "c.txt").write_bytes("门店六点关门。".encode("gb18030"))
    passages = read_passages(sorted(tmp_path.iterdir()))
    assert [passage.text for passage in passages] == [
        "Returns\nWithin 30 days.", "Returns\nKeep the receipt.", "Until six.", "门店六点关门。",
    ]  # fmt: skip
    assert passages[2].found_by == "Open today?\nUntil six."
    hit = Library(passages).search("Is it open today?", Retrieval())[0]
    assert grounded("Is it open?", [hit])[0]["content"] == "Until six.\n\nIs it open?"


def test_the_sample_documents_hold_the_facts_of_the_sample_shop() -> None:
    text = "\n".join(passage.found_by for passage in read_passages(sample_documents()))
    sys.path.insert(0, str(SAMPLES))
    try:
        from make_shop import FACTS  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SAMPLES))
    missing = {fact for facts in FACTS.values() for fact in facts.values() if fact not in text}
    assert missing == {FACTS["en"]["shop"], FACTS["zh"]["shop"]}


def write_pdf(file: Path, pages: Sequence[str]) -> None:
    """A PDF with a line of text a page: Latin letters as they are, Chinese by its Unicode, as any writer may do it."""
    pypdf = pytest.importorskip("pypdf")
    generic = pypdf.generic
    writer = pypdf.PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 100)
        font = generic.DictionaryObject({
            generic.NameObject("/Type"): generic.NameObject("/Font"),
            generic.NameObject("/Subtype"): generic.NameObject("/Type0"),
            generic.NameObject("/BaseFont"): generic.NameObject("/STSong-Light"),
            generic.NameObject("/Encoding"): generic.NameObject("/UniGB-UCS2-H"),
            generic.NameObject("/DescendantFonts"): generic.ArrayObject([]),
        })  # fmt: skip
        resources = generic.DictionaryObject({generic.NameObject("/F1"): font})
        page[generic.NameObject("/Resources")] = generic.DictionaryObject({generic.NameObject("/Font"): resources})
        stream = generic.StreamObject()
        stream.set_data(f"BT /F1 12 Tf 10 50 Td <{text.encode('utf-16-be').hex()}> Tj ET".encode())
        page[generic.NameObject("/Contents")] = writer._add_object(stream)
    writer.write(file)


def test_a_pdf_answers_in_both_languages_with_its_page(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", ["The Larkspur tent may be returned within 45 days.", "云雀岭的帐篷可以退货。"])
    library = Library(read_passages([tmp_path / "a.pdf"]))
    english = library.search("May I return a tent?", Retrieval())[0].passage
    chinese = library.search("帐篷能退货吗？", Retrieval())[0].passage
    assert (english.source, english.text) == ("a.pdf, p. 1", "The Larkspur tent may be returned within 45 days.")
    assert (chinese.source, chinese.text) == ("a.pdf, p. 2", "云雀岭的帐篷可以退货。")


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(72, 72)
    writer.write(tmp_path / "a.pdf")
    with pytest.raises(DataError, match=r"a\.pdf"):
        read_passages([tmp_path / "a.pdf"])
    (tmp_path / "b.pdf").write_bytes(b"no pdf")
    with pytest.raises(DataError, match=r"b\.pdf"):
        read_passages([tmp_path / "b.pdf"])


def test_other_kinds_and_lonely_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_text("x")
    (tmp_path / "b.csv").write_text("answer\nx\n")
    for name in ("a.exe", "b.csv"):
        with pytest.raises(DataError, match=name.split(".")[0]):
            read_passages([tmp_path / name])
