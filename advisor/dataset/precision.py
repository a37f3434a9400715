"""How often a finding about wording is right: counted on published sets and on a sample judged by hand.

``python benchmarks/datasets.py FOLDER`` counts anew, and a test holds these figures to it. What is right in fewer than
seven of ten is a note that asks, no warning that tells.
"""

from __future__ import annotations

from collections.abc import Mapping

MEASURED: Mapping[str, tuple[int, int]] = {  # code -> findings that were right, findings judged
    "personal_data": (223, 225),
    "cut_answer": (14, 14),
    "refusal": (10, 11),
    "unfilled_field": (10, 13),
    "filler": (12, 14),
    "answer_in_prompt": (4, 69),
    "encoding_damage": (5, 5),
    "near_duplicate": (75, 81),
    "control_characters": (1, 1),
}
LEAST = 0.7  # of the findings of a warning
