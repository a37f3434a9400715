"""Planted faults: each is found in the right line, with the right code and level; clean files have no error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.dataset import Dataset, Level, fix
from advisor.dataset.checks import CATALOGUE
from advisor.tokens import profile

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city"],
        },
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def say(role: str, content: object = "Some words.", **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def row(*messages: object, **more: object) -> dict[str, object]:
    return {"messages": list(messages), **more}


def call(arguments: object = '{"city": "Rome"}', name: str = "weather", **more: object) -> dict[str, object]:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function, **more}]}


def image(url: str = PIXEL, count: int = 1) -> list[dict[str, object]]:
    return [{"type": "text", "text": "Look."}] + [{"type": "image_url", "image_url": {"url": url}}] * count


USER, ANSWER = say("user", "A question?"), say("assistant", "An answer.")

# One broken row (or raw line) each, the code it must be given, and its level.
ROWS: list[tuple[str, object, str, str]] = [
    ("not JSON", '{"messages": [}', "invalid_json", "error"),
    ("NaN", '{"messages": NaN}', "invalid_json", "error"),
    ("cut off", '{"messages": [{"role": "user", "con', "truncated_json", "error"),
    ("bad bytes", b'{"messages": "\xff\xfe"}', "invalid_utf8", "error"),
    ("half a character", '{"messages": [{"role": "user", "content": "\\ud83d"}]}', "lone_surrogate", "error"),
    ("a list", "[1, 2]", "not_an_object", "error"),
    ("a text", '"hello"', "not_an_object", "error"),
    ("no messages", {"other": 1}, "missing_field", "error"),
    ("another format", {"prompt": "a", "completion": "b"}, "mixed_formats", "error"),
    ("messages is a text", {"messages": "hello"}, "messages_not_list", "error"),
    ("messages is null", {"messages": None}, "messages_not_list", "error"),
    ("no message", {"messages": []}, "messages_empty", "error"),
    ("a message is a text", row("hello", ANSWER), "message_not_object", "error"),
    ("no role", row({"content": "x"}, ANSWER), "missing_role", "error"),
    ("role is a number", row({"role": 3, "content": "x"}, ANSWER), "missing_role", "error"),
    ("role unknown", row(say("human"), ANSWER), "unknown_role", "error"),
    ("no content", row({"role": "user"}, ANSWER), "missing_content", "error"),
    ("content is a number", row(say("user", 3), ANSWER), "bad_content", "error"),
    ("a part without type", row(say("user", [{"texts": "x"}]), ANSWER), "bad_content", "error"),
    ("a part of no known type", row(say("user", [{"type": "video"}]), ANSWER), "bad_content", "error"),
    ("nobody answers", row(USER), "no_assistant", "error"),
    ("an empty answer", row(USER, say("assistant", "")), "empty_answer", "error"),
    ("a blank answer", row(USER, say("assistant", " \n")), "empty_answer", "error"),
    ("answer is null", row(USER, say("assistant", None)), "empty_answer", "error"),
    ("an empty prompt", row(say("user", " "), ANSWER), "empty_prompt", "warning"),
    ("ends with the user", row(USER, ANSWER, USER), "last_not_assistant", "warning"),
    ("nobody asks", row(say("system"), ANSWER), "no_user", "warning"),
    ("user twice", row(USER, say("user", "More?"), ANSWER), "consecutive_roles", "info"),
    ("system late", row(USER, say("system"), ANSWER), "system_not_first", "warning"),
    ("developer", row(say("developer"), USER, ANSWER), "developer_role", "warning"),
    ("function role", row(USER, say("function", name="f"), ANSWER), "deprecated_role", "info"),
    ("weight of a half", row(USER, say("assistant", "x", weight=0.5)), "bad_weight", "error"),
    ("weight is true", row(USER, say("assistant", "x", weight=True)), "bad_weight", "error"),
    ("row of negative weight", row(USER, ANSWER, weight=-1), "bad_weight", "error"),
    ("weight of the user", row(say("user", "x", weight=1), ANSWER), "weight_not_assistant", "error"),
    ("nothing learnt", row(USER, say("assistant", "x", weight=0)), "nothing_learnt", "error"),
    ("role is a list", row({"role": ["user"], "content": "x"}, ANSWER), "missing_role", "error"),
    ("refusal is a number", row(USER, say("assistant", "x", refusal=3)), "bad_content", "error"),
    ("parallel is a text", row(USER, ANSWER, parallel_tool_calls="yes"), "bad_setting", "error"),
    ("call without type", row(USER, {"role": "assistant", "tool_calls": [
        {"id": "c", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]}, tools=[WEATHER]),
     "bad_tool_call", "error"),
    ("described by a list", row(USER, ANSWER, tools=[
        {"type": "function", "function": {"name": "f", "description": ["x"]}}]), "bad_tool_schema", "error"),
    ("detail unknown", row(say("user", [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "best"}}]),
                           ANSWER), "bad_image", "error"),
    ("odd key", row(say("user", "x", mood="good"), ANSWER), "unknown_message_key", "warning"),
    ("odd name", row(say("user", "x", name="a b!"), ANSWER), "bad_name", "warning"),
    ("tool without function", row(USER, ANSWER, tools=[{"type": "function"}]), "bad_tool_schema", "error"),
    ("tools are a text", row(USER, ANSWER, tools="weather"), "bad_tool_schema", "error"),
    ("python type", row(USER, ANSWER, tools=[
        {"type": "function", "function": {"name": "f", "parameters": {"type": "dict"}}}]), "bad_tool_schema", "error"),
    ("required is no list", row(USER, ANSWER, tools=[{"type": "function", "function": {
        "name": "f", "parameters": {"type": "object", "required": "a"}}}]), "bad_tool_schema", "error"),
    ("name with a dot", row(USER, ANSWER, tools=[
        {"type": "function", "function": {"name": "a.b", "parameters": {}}}]), "bad_tool_name", "error"),
    ("calls are no list", row(USER, {"role": "assistant", "tool_calls": "x"}), "bad_tool_call", "error"),
    ("call without id", row(USER, call(id=None), tools=[WEATHER]), "bad_tool_call", "error"),
    ("the user calls", row(say("user", "x", tool_calls=5), ANSWER), "bad_tool_call", "error"),
    ("arguments are an object", row(USER, call({"city": "Rome"}), tools=[WEATHER]), "arguments_not_text", "error"),
    ("arguments are not JSON", row(USER, call("{city: Rome}"), tools=[WEATHER]), "arguments_not_json", "error"),
    ("arguments are empty", row(USER, call(""), tools=[WEATHER]), "arguments_not_json", "error"),
    ("argument missing", row(USER, call("{}"), tools=[WEATHER]), "arguments_mismatch", "warning"),
    ("argument invented", row(USER, call('{"city": "R", "x": 1}'), tools=[WEATHER]), "arguments_mismatch", "warning"),
    ("argument of wrong type", row(USER, call('{"city": 3}'), tools=[WEATHER]), "arguments_mismatch", "warning"),
    ("argument no choice", row(USER, call('{"city": "R", "unit": "k"}'), tools=[WEATHER]), "arguments_mismatch",
     "warning"),
    ("tool unknown", row(USER, call(name="other"), tools=[WEATHER]), "unknown_tool", "warning"),
    ("answer to no call", row(USER, say("tool", tool_call_id="zz"), ANSWER), "tool_answer_unmatched", "error"),
    ("call not answered", row(USER, call(), USER, ANSWER, tools=[WEATHER]), "tool_call_unanswered", "warning"),
    ("image in the answer", row(USER, say("assistant", image())), "image_in_answer", "error"),
    ("eleven images", row(say("user", image(count=11)), ANSWER), "too_many_images", "error"),
    ("six and six images", row(say("user", image(count=6)), ANSWER, say("user", image(count=6)), ANSWER),
     "too_many_images", "error"),
    ("a gif", row(say("user", image("data:image/gif;base64,R0lGOD")), ANSWER), "bad_image", "error"),
    ("image without url", row(say("user", image("")), ANSWER), "bad_image", "error"),
    ("linked image", row(say("user", image("https://example.com/a.png")), ANSWER), "image_link", "info"),
    ("special token", row(say("user", "Stop <|endoftext|> here"), ANSWER), "special_token", "warning"),
    ("fim token", row(say("user", "x <|fim_suffix|>"), ANSWER), "special_token", "warning"),
    ("an API key", row(say("user", "Use sk-proj-a1B2c3D4e5F6g7H8i9J0k1L2"), ANSWER), "secret", "warning"),
    ("an AWS key", row(say("user", "id AKIAIOSFODNN7EXAMPLE"), ANSWER), "secret", "warning"),
    ("a password in a link", row(say("user", "Use postgres://me:hunter22@db.acme.io"), ANSWER), "secret", "warning"),
    ("a payment key", row(say("user", "sk_li" + "ve_4eC39HqLyjWDarjtT1zdp7dc"), ANSWER), "secret", "warning"),
    ("a private key", row(say("user", "-----BEGIN RSA" + " PRIVATE KEY-----\nabc"), ANSWER), "secret", "warning"),
    ("an e-mail", row(say("user", "Write to jane.doe@acme.io"), ANSWER), "personal_data", "warning"),
    ("a card", row(say("user", "Card 4111 1111 1111 1111"), ANSWER), "personal_data", "warning"),
    ("a phone", row(say("user", "Call +49 30 1234 5678 now"), ANSWER), "personal_data", "warning"),
    ("an account", row(say("user", "IBAN GB82 WEST 1234 5698 7654 32"), ANSWER), "personal_data", "warning"),
    ("mojibake", row(say("user", "cafÃ© au lait"), ANSWER), "encoding_damage", "warning"),
    ("replacement", row(say("user", "caf\ufffd au lait"), ANSWER), "encoding_damage", "warning"),
    ("control character", row(say("user", "a\x07b"), ANSWER), "control_characters", "warning"),
    ("a mark of byte order", row(say("user", "One\ufeff two"), ANSWER), "control_characters", "warning"),
    ("nothing to be seen", row(USER, say("assistant", "\u200b \u2060")), "empty_answer", "error"),
    ("asks nothing to be seen", row(say("user", "\u200b"), ANSWER), "empty_prompt", "warning"),
    ("sound", row(say("user", [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]), ANSWER),
     "unread_part", "warning"),
    ("reasoning", row(USER, say("assistant", "x", reasoning_content="Well, then.")), "reasoning_text", "info"),
    ("a form", row(USER, ANSWER, response_format={"type": "json_object"}), "response_format", "info"),
    ("an old call", row(USER, {"role": "assistant", "function_call": {"name": "weather", "arguments": "{city}"}},
                        functions=[WEATHER["function"]]), "arguments_not_json", "error"),
    ("an old call of nothing", row(USER, {"role": "assistant", "function_call": {}}), "bad_tool_call", "error"),
    ("a refusal", row(USER, say("assistant", "I'm sorry, but I can't help with that.")), "refusal", "warning"),
    ("cut answer", row(USER, say("assistant", "word " * 120 + "and then the")), "cut_answer", "warning"),
    ("answer in the prompt", row(say("user", "Say: the quick brown fox jumps over the dog."),
                                 say("assistant", "the quick brown fox jumps over the dog.")), "answer_in_prompt",
     "info"),
]  # fmt: skip


def clean(number: int) -> dict[str, object]:
    subject = ("rivers", "trains", "bread", "maps", "clouds", "chess")[number % 6]
    return row(
        say("system", "You are a patient teacher."),
        say("user", f"Tell me fact number {number} about {subject}, please."),
        say("assistant", f"Here is one: {subject} have been studied {number * 7} times since {1900 + number}."),
    )


def lay(path: Path, broken: object, at: int = 8, total: int = 60) -> int:
    """Write clean rows with the broken one among them, after a blank line; return its line."""
    lines = [json.dumps(clean(number)).encode() for number in range(total)]
    raw = (
        broken
        if isinstance(broken, bytes)
        else broken.encode()
        if isinstance(broken, str)
        else json.dumps(broken).encode()
    )
    lines[at:at] = [b"", raw]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return at + 2


@pytest.mark.parametrize(("broken", "code", "level"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_a_planted_row_is_found_in_its_line(tmp_path: Path, broken: object, code: str, level: str) -> None:
    path = tmp_path / "a.jsonl"
    line = lay(path, broken)
    found = [(problem.line, problem.code, problem.level) for problem in profile(Dataset.open(path)).problems]
    assert (line, code, Level(level)) in found
    # Nothing else is blamed, but for what follows from the same row.
    assert {where for where, _, _ in found if where is not None} == {line}
    if level != "error":
        assert not [one for one in found if one[2] is Level.ERROR]


def test_one_fault_is_not_told_as_three(tmp_path: Path) -> None:
    line = lay(tmp_path / "a.jsonl", row(say("User"), say("Assistant")))
    found = profile(Dataset.open(tmp_path / "a.jsonl")).problems
    assert [p.code for p in found if p.line == line] == ["last_not_assistant", "unknown_role", "unknown_role"]
    known = row(USER, {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"city": "Rome"}'}},
                functions=[WEATHER["function"]])  # fmt: skip
    lay(tmp_path / "b.jsonl", known)
    assert [p for p in profile(Dataset.open(tmp_path / "b.jsonl")).problems if p.line is not None] == []
    refused = row(USER, {"role": "assistant", "content": None, "refusal": "I cannot."})
    line = lay(tmp_path / "c.jsonl", refused)
    assert [p.message for p in profile(Dataset.open(tmp_path / "c.jsonl")).problems if p.line == line] == [
        "An empty answer: message 2, whose text is in 'refusal'."
    ]


def test_outliers_in_several_files_are_named_with_their_file(tmp_path: Path) -> None:
    long = row(USER, say("assistant", " ".join(f"n{n}" for n in range(900)) + "."))
    one, two = wide(tmp_path / "a.jsonl", [clean(n) for n in range(60)]), wide(tmp_path / "b.jsonl", [long])
    found = [p.message for p in profile(Dataset.open(one, two)).problems if p.code == "long_outliers"]
    assert len(found) == 1 and f": {two}:1." in found[0].replace("lines ", "").replace("line ", "")


def test_the_share_of_system_prompts_is_of_all_examples(tmp_path: Path) -> None:
    rows = [row(say("system", "Be careful. " * 60 if n % 3 else f"Be {n}. " * 45), *clean(n)["messages"][1:])  # type: ignore[index]
            for n in range(300)]  # fmt: skip
    found = profile(Dataset.open(wide(tmp_path / "a.jsonl", rows)))
    said = next(problem.message for problem in found.problems if problem.code == "system_prompt_cost")
    assert f", {found.roles['system'] // 300:,} an example" in said
    assert found.quality["distinct_system_prompts"] is None  # only the first are kept


def test_what_is_not_counted_makes_the_count_inexact(tmp_path: Path) -> None:
    lay(tmp_path / "a.jsonl", clean(99))
    assert profile(Dataset.open(tmp_path / "a.jsonl")).exact
    for more in (row(USER, say("assistant", "x", reasoning="Hm.")), row(say("user", [{"type": "file"}]), ANSWER)):
        lay(tmp_path / "a.jsonl", more)
        assert not profile(Dataset.open(tmp_path / "a.jsonl")).exact


def wide(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def codes(path: Path, **more: object) -> dict[str, int | None]:
    found = profile(Dataset.open(path), **more)  # type: ignore[arg-type]
    return {problem.code: problem.line for problem in reversed(found.problems)}


def label(number: int, name: str) -> dict[str, object]:
    return row(say("user", f"Case {number}: {'abcdefghij'[number % 10] * 3} {number * 37}"), say("assistant", name))


def german_or_english(number: int) -> dict[str, object]:
    if number % 3:
        return row(say("user", f"{number}: Was ist das?"), say("assistant", f"{number}: Das ist ein Haus."))
    return row(say("user", f"{number}: What is it?"), say("assistant", f"{number}: It is a house."))


WHOLE: list[tuple[str, list[dict[str, object]], str, int | None]] = [
    ("exact duplicate", [*map(clean, range(20)), clean(4)], "exact_duplicate", 21),
    ("contradiction", [*map(clean, range(20)), row(*clean(3)["messages"][:2], say("assistant", "No."))],  # type: ignore[index]
     "conflicting_answers", 21),
    ("near duplicate", [*map(clean, range(20)), row(USER, say("assistant", " ".join(f"w{n}" for n in range(90)))),
                        row(USER, say("assistant", " ".join(f"w{n}" for n in range(89)) + " x"))],
     "conflicting_answers", 22),
    ("near the same", [*map(clean, range(20)),
                       row(say("user", " ".join(f"w{n}" for n in range(90))), ANSWER),
                       row(say("user", " ".join(f"w{n}" for n in range(89)) + " x"), ANSWER)], "near_duplicate", 22),
    ("imbalance", [label(n, "yes" if n % 10 else "no") for n in range(100)], "label_imbalance", None),
    ("rare label", [label(n, f"kind {n % 3}" if n > 1 else "odd") for n in range(100)], "rare_label", None),
    ("spelling", [label(n, ("Refund", "refund", "other")[n % 3]) for n in range(90)], "label_variants", None),
    ("one answer", [label(n, "ok") for n in range(60)], "constant_answer", None),
    ("few", [clean(n) for n in range(9)], "too_few_examples", None),
    ("some", [clean(n) for n in range(30)], "few_examples", None),
    ("system prompt", [row(say("system", "Be careful. " * 80), *clean(n)["messages"][1:]) for n in range(60)],  # type: ignore[index]
     "system_prompt_cost", None),
    ("outlier", [*map(clean, range(60)), row(USER, say("assistant", " ".join(f"n{n}" for n in range(900)) + "."))],
     "long_outliers", None),
    ("short answer", [*(row(say("user", f"{n}?"), say("assistant", " ".join(f"w{n * k}" for k in range(60)) + "."))
                        for n in range(60)), row(USER, say("assistant", "TODO."))], "short_outliers", None),
    ("languages", [german_or_english(n) for n in range(90)], "mixed_languages", None),
    ("plain text", [{"text": f"Page {n} of a book about rivers and bridges."} for n in range(60)], "plain_text", None),
    ("odd field", [{**clean(n), "id": n} for n in range(60)], "unknown_field", None),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "code", "line"), [w[1:] for w in WHOLE], ids=[w[0] for w in WHOLE])
def test_what_only_the_whole_shows(tmp_path: Path, rows: list[dict[str, object]], code: str, line: int | None) -> None:
    found = codes(wide(tmp_path / "a.jsonl", rows))
    assert code in found
    assert found[code] == line


def test_plain_text_has_no_prompts_to_repeat_and_no_answers_to_cut(tmp_path: Path) -> None:
    pages = [{"text": f"Page {n}: " + " ".join(f"word{n * k}" for k in range(90))} for n in range(60)]
    pages[7]["text"] = "I'm sorry, but I can't help with that, said the ferryman. " + pages[9]["text"][60:]
    found = codes(wide(tmp_path / "a.jsonl", [*pages, pages[3]]))
    assert found == {"plain_text": None, "exact_duplicate": 61}
    valid = wide(tmp_path / "b.jsonl", [{"text": "Another page altogether."}, pages[5]])
    leaked = profile(Dataset.open(tmp_path / "a.jsonl"), validation=Dataset.open(valid)).problems
    assert [(problem.code, problem.line) for problem in leaked if "leak" in problem.code] == [("leak", 2)]


@pytest.mark.parametrize(
    ("backend", "code", "level"),
    [
        (None, "plain_text", "warning"), ("local", "plain_text", "info"), ("together", "plain_text", "info"),
        ("replicate", "plain_text", "warning"), ("openai", "text_as_answer", "warning"),
    ],
)  # fmt: skip
def test_a_page_of_prose_is_called_what_it_is(tmp_path: Path, backend: str | None, code: str, level: str) -> None:
    path = tmp_path / "README.md"
    path.write_text("# A title\n\n" + "\n\n".join(f"Paragraph {n} says this and that about it." for n in range(12)))
    found = profile(Dataset.open(path), backend=backend)
    assert [(one.code, one.level) for one in found.problems if one.level is not Level.INFO or one.code == code] == [
        (code, Level(level))
    ]
    assert found.examples == 13
    assert found.languages == {"en": 1.0}


def test_short_english_is_no_other_language() -> None:
    from advisor.tokens._answers import language

    for text in (
        "What do I do?",
        "How do you do exchanges as soon as possible?",
        "no key, no GPU, as said",
        "No, do it",
    ):
        assert language(text) in ("en", ""), text
    assert language("Was ist das für ein Haus?") == "de"
    assert language("Où est le colis que j'attends pour ma mère ?") == "fr"
    assert language("¿Dónde está el paquete que espero para mi madre?") == "es"
    assert language("Onde está o pacote que não chegou para minha mãe?") == "pt"
    assert language("60 packs of cards * 7 cards per pack, 42 per page") == ""


PAIR = {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [say("assistant", "Bad.")]}
PAIRS: list[tuple[str, dict[str, object], str]] = [
    ("two preferred", {**PAIR, "preferred_output": [ANSWER, ANSWER]}, "preference_output"),
    ("none rejected", {**PAIR, "non_preferred_output": []}, "preference_output"),
    ("no input", {**PAIR, "input": None}, "missing_field"),
    ("the same", {**PAIR, "non_preferred_output": [ANSWER]}, "preference_same"),
    ("user answers", {**PAIR, "preferred_output": [say("user")]}, "preference_role"),
    ("ends with assistant", {**PAIR, "input": {"messages": [USER, ANSWER]}}, "preference_prompt"),
    ("calls no list", {**PAIR, "preferred_output": [say("assistant", tool_calls=5)]}, "bad_tool_call"),
    ("no arguments", {**PAIR, "non_preferred_output": [call("{city}")]}, "arguments_not_json"),
    ("empty answer", {**PAIR, "preferred_output": [say("assistant", "")]}, "empty_answer"),
]


@pytest.mark.parametrize(("broken", "code"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
def test_a_broken_pair_is_found(tmp_path: Path, broken: dict[str, object], code: str) -> None:
    found = codes(wide(tmp_path / "a.jsonl", [PAIR, PAIR, broken, PAIR]))
    assert found.get(code) == 3


def test_backends_raise_the_level(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lay(path, row(say("user", "x <|im_start|>"), say("user", "y"), ANSWER))

    def level(code: str, backend: str | None) -> Level:
        found = profile(Dataset.open(path), backend=backend).problems
        return next(problem.level for problem in found if problem.code == code)

    assert level("special_token", None) is Level.WARNING
    assert level("special_token", "openai") is Level.ERROR
    assert level("consecutive_roles", None) is Level.INFO
    assert level("consecutive_roles", "together") is Level.ERROR
    few = wide(tmp_path / "b.jsonl", [clean(n) for n in range(9)])
    found = profile(Dataset.open(few), backend="openai").problems
    assert ("too_few_examples", Level.ERROR) in [(problem.code, problem.level) for problem in found]


def test_examples_over_the_models_limit_are_counted(tmp_path: Path) -> None:
    long = row(USER, say("assistant", "word " * 17_000))
    path = wide(tmp_path / "a.jsonl", [*map(clean, range(60)), long])
    found = profile(Dataset.open(path), backend="openai", model="gpt-3.5-turbo-0125").problems
    over = next(problem for problem in found if problem.code == "over_token_limit")
    assert "1 over 16,385" in over.message
    assert "61" in over.message
    assert "over_token_limit" not in codes(path, backend="openai", model="gpt-4o-2024-08-06")


def test_the_limit_of_an_open_model_at_its_backend_is_held_by_estimate(tmp_path: Path) -> None:
    model = "Qwen/Qwen3.5-27B"  # at Together 32,768 tokens of an example for SFT, 16,384 for DPO
    long = say("assistant", "word " * 31_000)  # o200k_base: 31,000, times 1.1
    path = wide(tmp_path / "a.jsonl", [*map(clean, range(60)), row(USER, long)])
    pairs = wide(tmp_path / "b.jsonl", [PAIR] * 60 + [{**PAIR, "preferred_output": [long]}])
    for data, limit in ((path, "32,768"), (pairs, "16,384")):
        found = profile(Dataset.open(data), backend="together", model=model).problems
        over = [problem for problem in found if problem.code == "over_token_limit"]
        assert [problem.level for problem in over] == [Level.WARNING]
        assert f"about 1 over the {limit} tokens of {model}, about " in over[0].message
    assert "over_token_limit" not in codes(path, model=model)  # nobody said where
    assert "over_token_limit" not in codes(path, backend="together")


def test_replicate_is_told_what_prompts_and_completions_cannot_hold(tmp_path: Path) -> None:
    with_tool = row(USER, call(), say("tool", tool_call_id="c1"), ANSWER, tools=[WEATHER])
    path = wide(tmp_path / "a.jsonl", [*map(clean, range(60)), with_tool])
    found = {problem.code: problem for problem in profile(Dataset.open(path), backend="replicate").problems}
    assert found["not_expressible"].level is Level.WARNING
    assert "1 example with tools" in found["not_expressible"].message
    assert found["flattened"].line is None
    plain = wide(tmp_path / "b.jsonl", [row(*clean(n)["messages"][1:]) for n in range(60)])  # type: ignore[index]
    assert codes(plain, backend="replicate") == {}


def test_an_example_with_images_in_two_messages_is_one(tmp_path: Path) -> None:
    path = wide(tmp_path / "a.jsonl", [row(say("user", image()), ANSWER, say("user", image()), ANSWER)] * 2)
    found = profile(Dataset.open(path), backend="openai", model="gpt-4o-mini-2024-07-18").problems
    said = next(problem.message for problem in found if problem.code == "images_not_taken")
    assert said.startswith("Images where the model reads text: 2 examples;")
    assert "images_not_taken" in codes(path, backend="local")


def test_leaks_are_named_with_both_lines(tmp_path: Path) -> None:
    train = wide(tmp_path / "train.jsonl", [clean(n) for n in range(60)])
    valid = wide(tmp_path / "valid.jsonl", [clean(100), clean(7), clean(101)])
    found = profile(Dataset.open(train), validation=Dataset.open(valid)).problems
    leak = [problem for problem in found if problem.code == "leak"]
    assert [(problem.line, problem.file) for problem in leak] == [(2, str(valid))]
    assert "line 8" in leak[0].message


def test_what_cannot_be_read_on_is_said_and_mended_by_hand(tmp_path: Path) -> None:
    from advisor.cli.render.next_steps import Asked, next_steps

    path, out = tmp_path / "a.json", tmp_path / "out.jsonl"
    lines = [b"[", *(json.dumps(clean(n)).encode() + b"," for n in range(60)), b'{"messages": oops},', b"{}]"]
    path.write_bytes(b"\n".join(lines))
    found = profile(Dataset.open(path))
    said = [(problem.line, problem.level) for problem in found.problems if problem.code == "rest_unread"]
    assert said == [(62, Level.ERROR)]
    assert next(next_steps(found, Asked((str(path),)), None))[0] == "tunewise check --explain rest_unread"
    assert [(problem.line, problem.code) for problem in fix(Dataset.open(path), out).lost] == [(62, "rest_unread")]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_a_bad_byte_far_in_is_found_in_its_line_and_the_rest_is_read(tmp_path: Path, kind: str) -> None:
    rows = [json.dumps({"prompt": f"question {n}", "completion": f"answer {n}"}).encode() for n in range(3000)]
    bad = b'{"prompt": "caf\xe9", "completion": "x"}'
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        cells = (b"question %d,answer %d" % (n, n) for n in range(3000))
        path.write_bytes(b"\n".join([b"prompt,completion", *cells, b"caf\xe9,x", b"q,a"]))
    else:
        lines = [*rows, bad, rows[0]]
        path.write_bytes(b"[" + b",\n".join(lines) + b"]" if kind == "json" else b"\n".join(lines))
    found = profile(Dataset.open(path))
    assert found.examples == 3001
    assert [(p.line, p.code) for p in found.problems if p.level is Level.ERROR] == [
        (3002 if kind == "csv" else 3001, "invalid_utf8")
    ]


def test_files_joined_with_their_byte_order_marks_keep_their_rows(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(b"".join((b"\xef\xbb\xbf" if n in (0, 30) else b"") + json.dumps(clean(n)).encode() + b"\n"
                              for n in range(60)))  # fmt: skip
    found = profile(Dataset.open(path), backend="openai")
    assert found.examples == 60
    assert [(p.line, p.code) for p in found.problems] == [(1, "byte_order_mark"), (31, "byte_order_mark")]
    assert fix(Dataset.open(path), out).rows_written == 60 and b"\xef" not in out.read_bytes()


def test_a_leak_is_one_in_other_case_spacing_or_system_prompt(tmp_path: Path) -> None:
    train = wide(tmp_path / "train.jsonl", [clean(n) for n in range(60)])
    other = row(say("system", "Be brief."), say("user", "tell me  fact number 7 about trains, please. "), ANSWER)
    jokes = [row(say("system", "Tell a joke."), say("assistant", f"Joke number {n}, about geese.")) for n in (1, 2)]
    valid = wide(tmp_path / "valid.jsonl", [clean(100), other, jokes[0]] + [clean(8)] * 120)
    found = profile(Dataset.open(train, wide(tmp_path / "more.jsonl", [jokes[1]])), validation=Dataset.open(valid))
    leak = [(problem.line, problem.message.split(": ")[1]) for problem in found.problems if problem.code == "leak"]
    assert leak[:2] == [(2, f"line 8 of {train}."), (4, f"line 9 of {train}.")]
    assert len(leak) == 100
    assert found.quality["leaks"] == 121


@pytest.mark.parametrize("count", [60, 300])
def test_clean_files_have_no_error(tmp_path: Path, count: int) -> None:
    found = profile(Dataset.open(wide(tmp_path / "a.jsonl", [clean(n) for n in range(count)])))
    assert [problem for problem in found.problems if problem.level is not Level.INFO] == []


def test_real_datasets_have_no_error(shared: Path) -> None:
    for name in ("banking77/train.csv", "gsm8k/train.jsonl", "scitldr/dev.jsonl", "reg_arc_challenge/test.json"):
        found = profile(Dataset.open(shared / "data/datasets" / name))
        assert not [problem for problem in found.problems if problem.level is Level.ERROR], name


def test_the_suite_plants_enough_and_the_catalogue_is_whole() -> None:
    assert len(ROWS) + len(WHOLE) + len(PAIRS) >= 40
    for code, entry in CATALOGUE.items():
        assert code.replace("_", "").isalnum()
        assert entry.fix.endswith(".")
        assert entry.why.endswith((".", "')."))


def test_many_faults_of_a_kind_are_counted_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(clean(0)) + "\n" + "{broken\n" * 250)
    found = [problem for problem in profile(Dataset.open(path)).problems if problem.code == "invalid_json"]
    assert len(found) == 101
    assert [problem.message for problem in found if problem.line is None] == [
        "A line that is not JSON: 150 more lines."
    ]
