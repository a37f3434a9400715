"""What an answer's wording gives away: a refusal, a cut end, a copy of the prompt, its language."""

from __future__ import annotations

import re

# Openings of refusals as the big models write them; matched at the start of an answer only.
_REFUSAL = re.compile(
    r"\s*(?:i['’]?m (?:really |very |so )?sorry,? (?:but |i |that i )"
    r"|i am sorry,? but|sorry,? (?:but )?i (?:can|am|do)"
    r"|i (?:cannot|can['’]?t|can not|won['’]?t|am unable to|['’]?m unable to|am not able to|['’]?m not able to)"
    r" (?:help|assist|provide|answer|do that|fulfil|comply|generate|create|write|engage|discuss|support)"
    r"|as an ai(?: language)? model|i['’]?m an ai(?: language)? model"
    r"|unfortunately,? i (?:cannot|can['’]?t|am unable))",
    re.IGNORECASE,
)
_SHORTEST_COPY = 30  # characters: shorter answers occur in prompts by chance, or are spans asked for
_LONG = 400  # characters: an answer this long that stops inside a sentence was probably cut
# Words after which another has to come, in the languages of _WORDS below.
_SENTENCE = re.compile(r"[.!?:;]\s|\n")
_TAIL = 300  # characters that are looked at
_GREETING = 3  # words after the last sentence that may be meant to stand alone: Best regards,
_NEEDY = """
the a an of to and or with for from by that which this these their your our my is are was were be been has have had will
would can could should must into than as at in on if because while although
der die das ein eine einen dem den und oder mit für von zu im am dass weil wenn ist sind wird werden sehr
le la les un une des du et ou avec pour dans sur que qui est sont el los las una y con por para de es son
lo gli e di del della per che sono os uma com não het een en van met voor dat
"""
_WANTING = frozenset(_NEEDY.split())

# Frequent words that an English text does not hold by chance: no "as", "do" or "no" for the Romance languages.
_WORDS = {
    "en": "the and of to is in that it you for with are this not have what how do my can was by be as at from there",
    "de": "der die das und ist nicht ich sie mit ein eine zu den von auf wie im dem bei mir auch sich wir es ihr",
    "fr": "le la les et est des une pas que vous dans pour je sur au avec du ce qui ne mon ma votre il mais",
    "es": "el los las de que y es una por con para en como se del mi lo su al pero más hola",
    "it": "il di che la per non una è con sono le del come della gli un ho ma alla nel mio",
    "pt": "o os que de não uma com para é em por da como você meu minha mas seu à",
    "nl": "de het een en van niet dat ik je op te voor met zijn hoe mijn maar ook als",
}
_LANGUAGE_OF = {word: [name for name, words in _WORDS.items() if word in words.split()]
                for words in _WORDS.values() for word in words.split()}  # fmt: skip
_SCRIPTS = (
    (0x0400, 0x052F, "cyrillic"), (0x0370, 0x03FF, "el"), (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"), (0x0E00, 0x0E7F, "th"), (0x3040, 0x30FF, "ja"), (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip
_LETTERS = re.compile(r"[^\W\d_]+")


def is_refusal(answer: str) -> bool:
    """Tell whether the answer opens like a refusal."""
    return _REFUSAL.match(answer, 0, 160) is not None


def is_cut(answer: str) -> bool:
    """Tell whether a long answer stops where no sentence can: at a comma, a bracket, or a word that wants another.

    An answer that ends in a noun without a full stop may be a heading, an item of a list, or a habit of its writer.
    """
    if len(answer) < _LONG:
        return False
    end = answer[-_TAIL:].rstrip()
    word = end[end.rfind(" ") + 1 :]
    if end[-1:] not in ",(" and word not in _WANTING:
        return False
    return len(_SENTENCE.split(end)[-1].split()) > _GREETING


def is_given_away(answer: str, before: list[str]) -> bool:
    """Tell whether a text before the answer holds the whole of it."""
    return len(answer) >= _SHORTEST_COPY and any(answer in text for text in before)


def language(text: str) -> str:
    """Guess the language of the first words: an ISO 639-1 code, 'cyrillic', or nothing when it cannot be told."""
    start = text[:300]
    if not start.isascii():
        counts: dict[str, int] = {}
        letters = [char for char in start if char.isalpha()]
        for char in letters:
            point = ord(char)
            if point >= 0x370:
                name = next((script for low, high, script in _SCRIPTS if low <= point <= high), "")
                counts[name] = counts.get(name, 0) + 1
        if counts and sum(counts.values()) > 0.4 * len(letters):
            if counts.get("ja", 0) > 0.1 * len(letters):
                return "ja"
            return max(counts, key=lambda name: counts[name])
    votes: dict[str, int] = {}
    for word in set(_LETTERS.findall(start.lower())):
        for name in _LANGUAGE_OF.get(word, ()):
            votes[name] = votes.get(name, 0) + 1
    first, second = (*sorted(votes.values(), reverse=True), 0, 0)[:2]
    return max(votes, key=lambda name: votes[name]) if first >= 2 and first > second else ""
