"""The fast ways give what the plain ways give: gigatoken and tiktoken, many processes and one, numpy and Python."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from advisor.dataset import Dataset
from advisor.dataset.scan import scan, utf8
from advisor.dataset.source import Source
from advisor.errors import AdvisorError
from advisor.tokens import _blocks, _counting, _quality, _tokenizers, profile
from advisor.tokens._blocks import aligned, examine
from advisor.tokens._cjk_split import CUT, FIRST, LAST, Cut, cutter
from advisor.tokens._minhash import Marks, fast_sketch, sketch
from advisor.tokens._tokenizers import FastCodec, _cutter
from advisor.tokens._vocabulary import O200K, VOCABULARIES, encoding, ranks_file, token_bytes

SCRIPTS = [
    st.text(max_size=200),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300),
    st.text(st.characters(min_codepoint=0x370, max_codepoint=0x6FF), max_size=100),
    st.text(st.characters(min_codepoint=0x900, max_codepoint=0xDFF), max_size=100),
    st.text(st.characters(min_codepoint=0x3040, max_codepoint=0x9FFF), max_size=100),
    st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=100),
    st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF), max_size=40),
    st.text("\u200d\ufe0f👩👨👧🏽🇩🇪0a ", max_size=40),
    st.text(" \t\n\r\u00a0\u2003\u3000a", max_size=80),
    st.text("0123456789.,-+eE ", max_size=80),
    st.text("'sStTdDmMlLvVrReE aé’", max_size=60),
    st.text("(){}[];:=<>/*#\n \tdef_", max_size=120),
    st.text("ÀÉÎÕÜßſǅǈʰːͅ\u0301\u0308İıﬁ", max_size=60),
]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|fim_suffix|>", "<|endofprompt|>", "<|", "|>"]
texts = st.lists(st.one_of(*SCRIPTS, st.sampled_from(SPECIALS)), max_size=6).map("".join)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FastCodec]:
    pytest.importorskip("gigatoken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWISE_HOME", str(tmp_path_factory.mktemp("home")))
        return {name: FastCodec(name, 1 << 30) for name in VOCABULARIES}


@settings(max_examples=250, deadline=None)
@given(texts)
def test_gigatoken_is_tiktoken(codecs: dict[str, FastCodec], text: str) -> None:
    for name, codec in codecs.items():
        assert list(codec.encode(text)) == encoding(name).encode_ordinary(text)


def test_gigatoken_is_tiktoken_on_source_code_and_prose(codecs: dict[str, FastCodec]) -> None:
    import pydoc_data

    folder = Path(pydoc_data.__file__).parent
    for path in [*sorted(folder.glob("*.py")), *sorted(folder.parent.glob("[a-d]*.py"))[:25]]:
        text = path.read_text(errors="replace")
        for start in range(0, len(text), 90_000):
            piece = text[start : start + 90_000]
            assert list(codecs["o200k_base"].encode(piece)) == encoding("o200k_base").encode_ordinary(piece)


@pytest.mark.parametrize("word", ["a", "^", " ", "\n", " a", "🙂"])
def test_a_word_of_a_million_letters_takes_no_time(codecs: dict[str, FastCodec], word: str) -> None:
    import time

    text = word * (1_000_000 // len(word))
    begin = time.process_time()
    count = len(codecs["o200k_base"].encode(text))
    assert time.process_time() - begin < 5
    assert 0 < count <= len(text.encode())


LETTERS = [
    st.text("日本語中国的电子表格一是不了在人有我他这々", min_size=4, max_size=30),
    st.text("ぁあいうえおかがきくけこさしすせそのをんーゝ", min_size=4, max_size=30),
    st.text("アイウエオカキクケコサシスーッ", min_size=4, max_size=20),
    st.text(st.characters(min_codepoint=FIRST, max_codepoint=LAST), min_size=4, max_size=30),
    st.text("abcABé'sǄǅʰ\u0301İßΑαЖж한글𐐀𐐨", max_size=6),
    st.text("0123 ,。、\n\u3000\0🙂👩", max_size=4),
]
clauses = st.lists(st.one_of(*LETTERS), min_size=1, max_size=8).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.lists(clauses, min_size=1, max_size=4))
def test_cuts_leave_every_token_as_it_was(given_texts: list[str]) -> None:
    pytest.importorskip("numpy")
    for name in VOCABULARIES:
        encode = encoding(name).encode_ordinary
        (mark,) = encode(CUT)
        pieces = cutter_of(name)(given_texts)
        assert [piece.replace(CUT, "") for piece in pieces] == given_texts
        for text, piece in zip(given_texts, pieces, strict=True):
            assert [token for token in encode(piece) if token != mark] == encode(text)


def cutter_of(name: str) -> Cut:
    cut = _cutter(name)
    assert cut is not None
    return cut


def test_a_clause_falls_into_short_pieces_and_a_run_after_a_letter_stays_whole() -> None:
    pytest.importorskip("numpy")
    clause = "在电子表格中插入一个新的工作表并为其命名"
    (cut, tied) = cutter_of("o200k_base")([clause, f"x{clause}Ab"])
    assert max(map(len, cut.split(CUT))) <= 5  # 15 bytes, what gigatoken finds quickest
    assert tied == f"x{clause}Ab"


def test_no_cut_is_made_within_what_a_token_holds_parts_of() -> None:
    pytest.importorskip("numpy")
    letters = [chr(code) for code in range(FIRST, LAST + 1) if category(chr(code)) in ("Lo", "Lm")]
    parts = [token.lstrip(bytes(range(0x80, 0xC0))) for token in token_bytes("o200k_base")]
    within, found = set(letters), 0
    for token, whole in zip(token_bytes("o200k_base"), parts, strict=True):
        text = whole.decode(errors="ignore")
        lead, trail = token[: len(token) - len(whole)], whole[len(text.encode()) :]
        if lead and text[:1] in within:
            pairs = [one + text[0] for one in letters if one.encode().endswith(lead)]
        elif trail and text[-1:] in within:
            pairs = [text[-1] + one for one in letters if one.encode().startswith(trail)]
        else:
            continue
        assert cutter_of("o200k_base")(pairs) == pairs
        found += len(pairs)
    assert found > 1000


def test_nothing_is_cut_where_a_token_may_join_any_two_letters() -> None:
    pytest.importorskip("numpy")
    assert cutter([b"a", "中".encode()]) is not None
    assert cutter(["中".encode()[2:] + "国".encode()[:1]]) is None


def test_texts_come_back_in_order_cut_or_not(codecs: dict[str, FastCodec]) -> None:
    dice = random.Random(2)
    kinds = [
        "The train leaves at nine. ",
        "在电子表格中插入一个新的工作表",
        "ひらがなだけのぶんしょうをかく",
        "Москва ",
        "a\r中国国国",
        "",
    ]
    batch = [dice.choice(kinds) * dice.randint(1, 9) for _ in range(200)]
    for name, codec in codecs.items():
        expected = [encoding(name).encode_ordinary(text) for text in batch]
        assert [list(ids) for ids in codec.each(batch, lambda ids: ids)] == expected
        assert list(codec.each(batch, len)) == list(map(len, expected))


def test_what_gigatoken_remembers_is_dropped_when_it_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gigatoken")
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path))
    dice = random.Random(4)
    words = [" ".join(dice.randbytes(12).hex() for _ in range(20_000)) for _ in range(3)]

    loaded: list[FastCodec] = []
    load = FastCodec._load
    monkeypatch.setattr(FastCodec, "_load", lambda codec: (loaded.append(codec), load(codec)))

    def loads(share: int) -> int:
        loaded.clear()
        codec = FastCodec("o200k_base", share)
        for text in words:
            codec.renew()
            assert len(codec.encode(text)) > len(text) / 4
        return len(loaded)

    assert loads(1 << 40) == 1
    assert loads(4 << 20) > 1
    monkeypatch.setattr(_tokenizers, "_resident", lambda: 0)
    monkeypatch.setattr(_tokenizers, "_BLIND_BLOCKS", 1)
    assert loads(1 << 40) > 1


def chat(number: int, dice: random.Random) -> dict[str, object]:
    words = [
        dice.choice(
            ["river", "train", "größe", "在电子表格中插入一个新的工作表", "λόγος", "🙂", "x = 1\n", "don't", "2024"]
        )
        for _ in range(120)
    ]
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " ".join(words)}]
    return {"messages": [*turns, {"role": "assistant", "content": f"Answer {number}: {words[0]} {words[-1]}."}]}


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, over many blocks, with faults on known lines."""
    monkeypatch.setattr(_blocks, "SMALL_BYTES", 100_000)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 50_000)
    dice = random.Random(5)
    path = tmp_path / "large.jsonl"
    with path.open("w") as stream:
        for number in range(700):
            stream.write(json.dumps(chat(number, dice), ensure_ascii=bool(number % 2)) + "\n")
            if number % 97 == 50:
                stream.write("\n{broken\n")
    return path


def facts(path: Path, **how: object) -> tuple[object, ...]:
    tally = examine(Dataset.open(path), **how)  # type: ignore[arg-type]
    faults = sorted(fault for fault in tally.faults if fault[2] == "invalid_json")
    return (
        tally.examples, tally.messages, tally.tokens["o200k_base"], tally.billed["o200k_base"], dict(tally.roles),
        dict(tally.lengths), faults, tally.longest_first(), tally.marks, tally.fault_counts["blank_lines"],
    )  # fmt: skip


def test_processes_count_what_one_counts(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = facts(large, processes=1), facts(large, processes=2)
    assert alone == together
    lines = [line for _, line, _, _ in alone[6]]  # type: ignore[attr-defined]
    assert lines == [number for number, text in enumerate(large.read_text().split("\n"), 1) if text == "{broken"]
    monkeypatch.setattr(_blocks, "SMALL_BYTES", 1 << 30)
    plain = facts(large, processes=1)  # tiktoken
    assert plain == alone


def test_beside_other_threads_processes_are_started_afresh(large: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert facts(large, processes=2)[:4] == facts(large, processes=1)[:4]
    finally:
        stop.set()
        thread.join()


def test_compressed_blocks_are_shared_out_too(large: Path) -> None:
    import gzip

    packed = large.with_suffix(".gz")
    packed.write_bytes(gzip.compress(large.read_bytes()))
    whole = Dataset.open(packed)
    assert whole.bytes < 400_000
    assert facts(packed, processes=2)[:7] == facts(large, processes=1)[:7]


def test_blocks_divide_the_lines_without_loss(tmp_path: Path) -> None:
    dice = random.Random(1)
    path = tmp_path / "a"
    for _ in range(30):
        content = b"\n".join(
            dice.randbytes(dice.randint(0, 30)).replace(b"\n", b"") for _ in range(dice.randint(1, 40))
        )
        path.write_bytes(content or b"x")
        whole = path.read_bytes()
        for size in (1, 7, 16, 64):
            parts = [aligned(Source(path, "a", len(whole)), at, size) for at in range(0, len(whole), size)]
            assert b"".join(line for lines in parts for line in lines) == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.lists(st.integers(0, 199_997), max_size=300), max_size=3), min_size=1, max_size=8))
def test_sketches_are_the_same_with_and_without_numpy(given_ids: list[list[list[int]]]) -> None:
    numpy = pytest.importorskip("numpy")
    arrays = [[numpy.array(part, dtype=numpy.uint32) for part in parts] for parts in given_ids]
    assert list(fast_sketch()(arrays)) == list(sketch(given_ids))


def test_duplicates_are_the_same_with_and_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    dice = random.Random(3)
    marks = Marks()
    for line in range(1, 800):
        marks.prompts.append(dice.randrange(300))
        marks.answers.append(dice.randrange(2))
        marks.sketches.extend(sketch([[[dice.randrange(3) for _ in range(4)]]]))
        marks.lines.append(line)
        marks.files.append(0)
    sources = [Source(Path("a"), "a", 1)]
    plain = _quality.duplicates(marks, sources)
    monkeypatch.setattr(_quality, "_LARGE", 10)
    assert _quality.duplicates(marks, sources)[0] == plain[0]
    assert {code for _, _, code, _ in plain[0]} == {"exact_duplicate", "conflicting_answers", "near_duplicate"}


def test_marks_and_their_memory_are_bounded(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.tokens import _cache, _tally

    monkeypatch.setattr(_tally, "MARKS_KEPT", 100)
    assert 100 <= len(examine(Dataset.open(large)).marks) < 400
    monkeypatch.setattr(_tally, "MARKS_KEPT", 1_000_000)
    monkeypatch.setattr(_cache, "_MARKS_KEPT", 100)
    first = profile(Dataset.open(large))
    assert not len(_cache.remembered(Dataset.open(large)).marks)
    assert profile(Dataset.open(large)) == first
    again = profile(Dataset.open(large), validation=Dataset.open(large))
    assert [problem.code for problem in again.problems].count("leak") == _tally.FAULTS_KEPT


def test_a_second_look_reads_nothing(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = profile(Dataset.open(large))
    monkeypatch.setattr("advisor.tokens._cache.examine", None)
    assert profile(Dataset.open(large)) == first
    with pytest.raises(TypeError):
        profile(Dataset.open(large), model="gpt-3.5-turbo-0125")  # another encoding: counted anew
    large.write_text(large.read_text() + "\n")
    with pytest.raises(TypeError):
        profile(Dataset.open(large))


def test_a_damaged_cache_entry_is_as_good_as_none(large: Path, home: Path) -> None:
    first = profile(Dataset.open(large))
    for entry in (home / "cache").glob("*"):
        entry.write_bytes(b"damage")
    encoding.cache_clear()
    assert profile(Dataset.open(large)) == first
    assert ranks_file("o200k_base").stat().st_size == 3_613_922


def test_a_missing_vocabulary_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from advisor.tokens import _vocabulary

    monkeypatch.setattr(_vocabulary.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AdvisorError, match="pip install"):
        _vocabulary._packaged(O200K)
    (tmp_path / "data").mkdir()
    import gzip

    (tmp_path / "data" / "o200k_base.tiktoken.gz").write_bytes(gzip.compress(b"wrong"))
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(_vocabulary.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(AdvisorError, match="sha256 differs"):
        _vocabulary._packaged(O200K)


_PIECES = (
    "sk-abc123DEF456ghi789JKL0", "AKIA1234567890ABCDEF", "\x07", "\x7f", "jane.doe@firm.io", "4111 1111 1111 1111",
    "<|endoftext|>", "\u00c3\u0083", "\u00e2\u20ac\u2122", "\ufffd", "+49 30 1234567", "2024 ",
    "DE89370400440532013000", "AB123456C", "call me ", "= ", "https://jo", ":s3cr3t!@db.firm.io",
    "hello ", "\u65e5\u672c\u8a9e", " ", "-", "\n",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@example(["+49 30 1234567", "4111 1111 1111 1111"])
@example(["call 555 123 4567", "AB123456C", "=", "account 12345678"])
@example(["https://jo", ":s3cr3t!@db.firm.io"])
@given(st.lists(st.lists(st.sampled_from(_PIECES), max_size=10).map("".join), min_size=1, max_size=5))
def test_searching_texts_together_finds_what_searching_each_alone_does(texts: list[str]) -> None:
    alone = [replace(hit, index=number) for number, text in enumerate(texts) for hit in scan([utf8(text)])]
    together = list(scan([utf8(text) for text in texts]))
    assert {*together} == {*alone} and len(together) == len(alone)
    odd = [text for text in texts if any((ord(char) < 32 and char not in "\t\n\r") or char == "\x7f" for char in text)]
    found = {hit.index for hit in together if hit.code == "control_characters"}
    assert [texts[index] for index in sorted(found)] == odd


def test_a_large_table_is_counted_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.csv"
    dice = random.Random(6)
    rows = [f"{number % 50} {' '.join(dice.choices(['rain', 'train', 'größe'], k=30))}" for number in range(600)]
    path.write_text("question,answer\n" + "".join(f"{row},yes {number % 7}\n" for number, row in enumerate(rows)))
    whole = examine(Dataset.open(path))
    made: list[object] = []
    begin = _blocks.Worker._counting
    monkeypatch.setattr(_blocks.Worker, "_counting", lambda worker: made.append(1) or begin(worker))
    monkeypatch.setattr(_counting, "_TOGETHER", 10_000)
    parted = examine(Dataset.open(path))
    assert len(made) > 5
    assert (parted.tokens, parted.lengths, parted.marks) == (whole.tokens, whole.lengths, whole.marks)
    assert parted.longest_first() == whole.longest_first()
