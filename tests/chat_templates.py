"""Twelve kinds of chat templates, written for tests after the families they are named for, and a tokenizer for all."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = [
    "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]",
    "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "<start_of_turn>", "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>",
]  # fmt: skip

_ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
_TURN = "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
_OFFER = "{% if tools %}{{ '<|im_start|>tools\\n' + (tools | tojson) + '<|im_end|>\\n' }}{% endif %}"
_CALLS = (
    "{% for c in m['tool_calls'] or [] %}{{ '<tool_call>' + ({'name': c['function']['name'], 'arguments': "
    "c['function']['arguments']} | tojson) + '</tool_call>' }}{% endfor %}"
)
_ANSWER = "{% generation %}{{ m['content'] }}" + _CALLS + "{{ '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"

MARKS = (
    _OFFER + "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}" + _ANSWER
    + "{% else %}" + _TURN + "{% endif %}{% endfor %}" + _ASK
)  # fmt: skip
EARLY_MARKS = MARKS.replace(
    "{{ '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}", "{% endgeneration %}{{ '<|im_end|>\\n' }}"
)
HERMES = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
    + MARKS.replace("{% generation %}", "").replace("{% endgeneration %}", "")
)  # fmt: skip
_PARTED = (
    "{% set content = m['content'] %}{% set thought = m['reasoning_content'] or '' %}"
    "{% if not thought and '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].split('<think>')[-1].strip() %}"
    "{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
)
THINKING = (
    _OFFER + "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% if m['role'] == 'assistant' %}" + _PARTED + "{{ '<|im_start|>assistant\\n' }}"
    "{% if loop.index0 > ns.last %}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}{% endif %}{{ content }}" + _CALLS
    + "{{ '<|im_end|>\\n' }}{% else %}" + _TURN + "{% endif %}{% endfor %}" + _ASK
)  # fmt: skip
DATED = (
    "{{ bos_token }}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + strftime_now('%d %b %Y') + '\\n' }}"
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] | trim }}{% set messages = messages[1:] %}"
    "{% endif %}{{ '<|eot_id|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' }}{% if m['tool_calls'] %}"
    "{{ {'name': m['tool_calls'][0]['function']['name'], 'parameters': m['tool_calls'][0]['function']['arguments']}"
    " | tojson }}{% else %}{{ m['content'] | trim }}{% endif %}{{ '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
BRACKETS = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set first = '' %}{% endif %}"
    "{% if messages[0]['role'] != 'user' %}{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{{ bos_token }}{% if tools %}{{ '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '[INST]' + (first if loop.first else '') + m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'tool' %}{% if m['tool_call_id'] | length != 9 %}"
    "{{ raise_exception('ids are nine characters') }}{% endif %}"
    "{{ '[TOOL_RESULTS]' + m['content'] + '[/TOOL_RESULTS]' }}{% elif m['tool_calls'] %}"
    "{% if m['tool_calls'][0]['id'] | length != 9 %}{{ raise_exception('ids are nine characters') }}{% endif %}"
    "{{ '[TOOL_CALLS]' + ([{'name': m['tool_calls'][0]['function']['name'], 'arguments': "
    "m['tool_calls'][0]['function']['arguments'], 'id': m['tool_calls'][0]['id']}] | tojson) + eos_token }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
FOLDED = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set first = '' %}{% endif %}{{ bos_token }}"
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' }}"
    "{{ (first if loop.first else '') + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
NEXT_ROLE = (
    "{% if tools %}{{ '<|system|>\\n' + (tools | tojson) }}{% endif %}{% for m in messages %}"
    "{% if m['role'] == 'tool' %}{{ '<|observation|>\\n' + m['content'] }}{% elif m['tool_calls'] %}"
    "{{ '<|assistant|>' + m['tool_calls'][0]['function']['name'] + '\\n' "
    "+ (m['tool_calls'][0]['function']['arguments'] | tojson) }}"
    "{% else %}{{ '<|' + m['role'] + '|>\\n' + m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
TEXT_ARGUMENTS = (
    _OFFER + "{% for m in messages %}{% if m['tool_calls'] %}{{ '<|im_start|>assistant\\n' }}"
    "{% for c in m['tool_calls'] %}{{ c['function']['name'] + '\\n' + c['function']['arguments'] }}{% endfor %}"
    "{{ '<|im_end|>\\n' }}{% else %}" + _TURN + "{% endif %}{% endfor %}" + _ASK
)  # fmt: skip
NO_TOOLS = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
    "{% for m in messages %}" + _TURN + "{% endfor %}" + _ASK
)  # fmt: skip
FORGETS_THOUGHTS = (
    "{% for m in messages %}{% set content = m['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<|' + m['role'] + '|>' + content }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

TEMPLATES: dict[str, str | None] = {
    "marks": MARKS,
    "early marks": EARLY_MARKS,
    "default system": HERMES,
    "thinking": THINKING,
    "dated": DATED,
    "brackets": BRACKETS,
    "folded system": FOLDED,
    "next role": NEXT_ROLE,
    "text arguments": TEXT_ARGUMENTS,
    "no tools": NO_TOOLS,
    "forgets thoughts": FORGETS_THOUGHTS,
    "none": None,
}
ADDS_BOS = ("brackets", "folded system", "forgets thoughts", "none")  # whose tokenizer puts <s> first by itself


def write_tokenizer(folder: Path, kind: str) -> Path:
    """Write a byte-level tokenizer of about 330 tokens with the template of this kind into ``folder``."""
    from tokenizers.processors import TemplateProcessing

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(["The sum of one and two is three, in hall four."], trainer)
    if kind in ADDS_BOS:
        made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))])
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    template = TEMPLATES[kind]
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder
