"""Every problem we can find: its code, its level, what to do about it, and why it matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from advisor.dataset._types import Level, Problem

_E, _W, _I = Level.ERROR, Level.WARNING, Level.INFO


@dataclass(frozen=True, slots=True)
class Entry:
    """``at`` holds the backends at which the level is another one."""

    level: Level
    title: str
    fix: str
    why: str
    at: Mapping[str, Level] = field(default_factory=dict)


CATALOGUE: dict[str, Entry] = {
    # The file.
    "byte_order_mark": Entry(_W, "A byte order mark at the beginning of the file, or of a line",
        "Run with --fix OUT, or save as UTF-8 without BOM.",
        "Providers read the first line as JSON and refuse it: three invisible bytes stand before the brace. OpenAI "
        "answers 'Line 1 is not a dictionary'.", {"openai": _E}),
    "invalid_utf8": Entry(_E, "Bytes that are not UTF-8", "Save the file as UTF-8, or let --fix OUT leave the row out.",
        "Every provider refuses the whole file for one such byte, and only after the upload."),
    "invalid_json": Entry(_E, "A line that is not JSON", "Mend the line, or let --fix OUT leave it out.",
        "One bad line makes OpenAI and Together refuse the whole file."),
    "truncated_json": Entry(_E, "A value that is cut off", "Restore the end of it, or let --fix OUT leave it out.",
        "The writer was interrupted, or one object was spread over several lines; either way the row is lost."),
    "lone_surrogate": Entry(_E, "Half of an escaped character",
        "Write the character whole, or let --fix OUT leave the row out.",
        "A lone surrogate such as \\ud83d is no character. Python accepts it, most providers' parsers do not."),
    "not_an_object": Entry(_E, "A row that is not an object", "Write each row as one JSON object.",
        "A row must have named fields; a bare text or list has none."),
    "wrong_columns": Entry(_E, "A row with too few or too many cells",
        "Quote cells that hold the delimiter or a line break, and close every quote.",
        "Such cells cannot be matched with the header, so prompt and answer may be swapped or cut. A quote that is "
        "never closed swallows all lines after it."),
    "swallowed_rows": Entry(_W, "A quoted cell that seems to hold other rows",
        'Close the quote that begins it; where it is part of the text, write """ for a cell that begins with one.',
        "A cell that begins with a quote goes on to the next quote, over line ends: rows in between become text of "
        "this one, are not counted and not learnt as rows."),
    "rest_unread": Entry(_E, "The rest of the file was not read", "Mend that place, then check again.",
        "An array is one text: after a value that is no JSON nobody can tell where the next row begins. Counts, prices "
        "and what --fix OUT writes are of the part before."),
    "not_jsonl": Entry(_I, "Not JSON lines",
        "Nothing to do: launch writes the backend's own file; --fix OUT writes JSON lines now.",
        "OpenAI, Together and the local trainer take one JSON object per line. We convert; an upload by hand would "
        "be refused."),
    "carriage_returns": Entry(_I, "Lines end in carriage returns", "Nothing to do, or run with --fix OUT.",
        "Windows line ends are harmless to JSON readers, but show up in diffs and in plain text."),
    "blank_lines": Entry(_I, "Blank lines", "Nothing to do, or run with --fix OUT.",
        "They are skipped and not counted. Some readers refuse them."),
    "too_few_examples": Entry(_W, "Very few examples", "Collect at least 50 good examples.",
        "OpenAI refuses fewer than 10. Gains usually begin at 50 to 100 good examples; below that the model learns "
        "the examples by heart.", {"openai": _E}),
    "few_examples": Entry(_I, "Few examples", "Start with 50 or more good examples.",
        "Gains usually begin at 50 to 100 good examples (OpenAI's guide)."),
    "file_too_large": Entry(_E, "The file is larger than the provider takes",
        "Drop duplicates, shorten the system prompt, or take a sample.",
        "The upload is refused."),
    "no_examples": Entry(_E, "Not one usable example", "Mend the errors above.",
        "There is nothing to train on."),
    # The row.
    "missing_field": Entry(_E, "A row without a field it needs", "Add the field, or name its column with --columns.",
        "Without its prompt or answer the row cannot be trained on, and providers refuse the file."),
    "mixed_formats": Entry(_E, "Rows of different formats in one file", "Keep one format per file.",
        "Providers decide the format once per file and refuse rows of another."),
    "unknown_field": Entry(_I, "Fields that no backend reads",
        "Nothing to do: they are left out of what is written for a backend.",
        "Together refuses a row with extra columns; OpenAI ignores some and refuses others."),
    "messages_not_list": Entry(_E, "messages is not a list", "Write messages as a list of {role, content}.",
        "Every provider refuses the file."),
    "messages_empty": Entry(_E, "A conversation without messages", "Remove the row, or run with --fix OUT.",
        "There is nothing to learn from it, and providers refuse the file."),
    "message_not_object": Entry(_E, "A message that is not an object", "Write each message as {role, content}.",
        "Every provider refuses the file."),
    "missing_role": Entry(_E, "A message without a role", "Add role: system, user, assistant or tool.",
        "Every provider refuses the file."),
    "unknown_role": Entry(_E, "A role no provider knows", "Use system, user, assistant or tool.",
        "Every provider refuses the file."),
    "missing_content": Entry(_E, "A message without content", "Add the content, or the tool calls.",
        "Only an assistant message with tool calls may do without content."),
    "bad_content": Entry(_E, "Content of the wrong kind", "Write content as a text, or as a list of parts.",
        "Every provider refuses the file."),
    "no_assistant": Entry(_E, "A conversation without an assistant message",
        "Add the answer to learn, or remove the row.",
        "There is nothing to train on; OpenAI and Together refuse it."),
    "last_not_assistant": Entry(_W, "The conversation does not end with the assistant",
        "End it with the answer to learn, or cut the last turn.",
        "What follows the last answer is paid for and teaches nothing."),
    "empty_answer": Entry(_E, "An empty answer", "Write the answer, or run with --fix OUT to drop the row.",
        "The model is taught to say nothing, and some providers refuse the row."),
    "empty_prompt": Entry(_W, "An empty user message", "Write the prompt, or remove the row.",
        "The model is taught to answer without having been asked."),
    "no_user": Entry(_W, "A conversation without a user message", "Add the question that the answer belongs to.",
        "The model learns the answer to nothing in particular."),
    "consecutive_roles": Entry(_I, "Two messages of the same role in a row", "Join them into one message.",
        "Together refused such rows in its own client check, and chat templates of open models fail on them.",
        {"together": _E, "local": _W}),
    "system_not_first": Entry(_W, "A system message after the beginning", "Move it to the front.",
        "Chat templates of open models take one system message, first."),
    "deprecated_role": Entry(_I, "The deprecated role function", "Write tool calls and tool messages instead.",
        "OpenAI replaced functions by tools; Together and open models know tools only.", {"together": _E}),
    "developer_role": Entry(_W, "The role developer", "Write system instead.",
        "The fine-tuning formats know system, user, assistant and tool.", {"openai": _E, "together": _E}),
    "bad_weight": Entry(_E, "A weight other than 0 and 1", "Write 0 (do not learn) or 1 (learn).",
        "OpenAI and Together take whole numbers 0 and 1 per message only."),
    "weight_not_assistant": Entry(_E, "A weight on a message that is not the assistant's", "Remove the weight there.",
        "OpenAI takes weights on assistant messages only and refuses the file."),
    "nothing_learnt": Entry(_E, "All answers have weight 0", "Give the answer to learn weight 1, or remove the row.",
        "The row is billed and teaches nothing."),
    "unknown_message_key": Entry(_W, "Keys in a message that no provider reads", "Remove them.",
        "OpenAI refuses messages with keys it does not know."),
    "unread_part": Entry(_W, "Audio or a file in a message", "Write what it says as text, or remove the row.",
        "The models tuned at OpenAI and Together read texts and images. What such a part costs is not counted.",
        {"together": _E, "local": _E}),
    "reasoning_text": Entry(_I, "Reasoning beside the answer",
        "Nothing to do at Together or with the local trainer; elsewhere write into the answer what is to be learnt.",
        "Together trains on it, the local trainer where the model's template shows it. OpenAI's form has no place for "
        "it: it is left out there. The tokens counted here are without it."),
    "response_format": Entry(_I, "A response_format in the row", "Ask the tuned model with the same response_format.",
        "No provider's training file holds one: the form is learnt from the answers alone. It is left out of what is "
        "written for a backend."),
    "bad_name": Entry(_W, "A name that is not a plain word", "Use letters, digits, _ and -, at most 64.",
        "OpenAI refuses other names of participants.", {"openai": _E}),
    "bad_setting": Entry(_E, "A row setting of the wrong kind", "Write it as true or false.",
        "OpenAI refuses the file."),
    "special_token": Entry(_W, "A special-token string in the text", "Remove it or write it differently.",
        "Strings such as <|endoftext|> steer tokenizers. OpenAI jobs fail on them ('message contains an invalid "
        "token').", {"openai": _E}),
    # Tools.
    "bad_tool_schema": Entry(_E, "A tool that is not described as one",
        "Describe each tool as {type: function, function: {name, parameters}}, parameters being a JSON Schema.",
        "OpenAI and Together refuse the file; the local trainer cannot render the tool."),
    "bad_tool_name": Entry(_E, "A tool name providers refuse", "Use letters, digits, _ and -, at most 64.",
        "OpenAI's names are a-z, A-Z, 0-9, _ and -, at most 64 characters."),
    "bad_tool_call": Entry(_E, "A tool call that is not one",
        "Write it as {id, type: function, function: {name, arguments}}.",
        "Every provider refuses the file."),
    "arguments_not_text": Entry(_E, "Arguments that are no text",
        "Write the arguments as JSON text: json.dumps(arguments).",
        "OpenAI and Together want a string there, exactly as the model must write it."),
    "arguments_not_json": Entry(_E, "Arguments that are not JSON", "Mend the JSON of the arguments.",
        "The model learns to write calls that your program cannot read."),
    "arguments_mismatch": Entry(_W, "Arguments that do not fit the tool", "Mend the call or the tool's parameters.",
        "The model learns to call the tool with missing or invented arguments."),
    "unknown_tool": Entry(_W, "A call of a tool that is not described", "Add the tool to the row's tools.",
        "The model learns to invent tools; billing and templates need the description too."),
    "tool_answer_unmatched": Entry(_E, "A tool answer to no call", "Give it the tool_call_id of an earlier call.",
        "OpenAI refuses tool messages that answer no call."),
    "tool_call_unanswered": Entry(_W, "A tool call without an answer before the next turn",
        "Add the tool's answer after the call.",
        "The chat API demands an answer to each call before the conversation goes on."),
    # Preference pairs.
    "preference_output": Entry(_E, "A preference pair that is not a pair",
        "Give exactly one assistant message on each side.",
        "Preference training compares two answers to the same prompt; anything else is refused."),
    "preference_role": Entry(_E, "An answer of a pair that is not the assistant's",
        "Write role: assistant on both sides.",
        "OpenAI and Together refuse the file."),
    "preference_same": Entry(_W, "Both answers of a pair are the same", "Remove the pair.",
        "There is nothing to prefer; the pair is paid for and teaches nothing."),
    "preference_prompt": Entry(_E, "The prompt of a pair ends with the assistant",
        "End the prompt with the user's or a tool's message.",
        "Together refuses it; the answers would follow an answer."),
    "rated_answers": Entry(_W, "A score beside the answers, which is not used",
        "Keep the best answer to each prompt with --answers good, or make pairs with --answers pairs.",
        "The score says that some answers are worse than others; trained on as they are, all are learnt alike."),
    "meaning_lost": Entry(_W, "Fields that are not read and may change what a row means",
        "Name them with --columns, or take the rows apart yourself, if they matter.",
        "Earlier turns, images, other answers or a mark of the split change what is to be learnt. They are left out of "
        "what is written for a backend."),
    "extra_answers": Entry(_W, "Several answers, of which one is used",
        "Write one row per answer if all should be learnt.",
        "A row can teach one answer; the others are left out of counts and of what is written."),
    # Images.
    "image_in_answer": Entry(_E, "An image in an assistant or system message", "Keep images in user messages.",
        "OpenAI and Together refuse images elsewhere."),
    "too_many_images": Entry(_E, "More than ten images in an example", "Split the example.",
        "OpenAI and Together take at most 10 images an example."),
    "bad_image": Entry(_E, "An image that cannot be used", "Give a PNG, JPEG or WEBP of at most 10 MB.",
        "OpenAI and Together take no other kinds, and skip or refuse larger ones."),
    "image_link": Entry(_I, "Images given as links", "Embed them as data: URIs to be independent of the link.",
        "Together takes embedded images only; a link that dies loses the example.", {"together": _E}),
    "too_many_image_rows": Entry(_E, "More than 50,000 examples with images", "Take a sample.",
        "OpenAI takes at most 50,000 examples with images."),
    "unknown_model": Entry(_W, "A model whose limits are not known",
        "Check the spelling: 'tunewise prices list' names the models of each backend.",
        "Neither its longest example nor what it is trained for could be checked; a model that is not sold there makes "
        "the job fail."),
    "images_not_taken": Entry(_E, "Images where the model reads text",
        "Choose a model that sees, or remove the images.",
        "The job is refused, or the images are dropped."),
    # Tokens and cost.
    "over_token_limit": Entry(_W, "Examples longer than the model takes", "Shorten them, or split long conversations.",
        "Providers cut off at the end what is over the limit, without an error: the answer goes first, and the rest is "
        "still billed. The local trainer leaves the whole row out."),
    "system_prompt_cost": Entry(_I, "One system prompt is a large share of what you pay",
        "Shorten it: a tuned model needs little instruction.",
        "Every example is billed with its system prompt in every epoch, and every request after that."),
    "long_outliers": Entry(_I, "A few examples are far longer than the rest",
        "Look at the lines named; shorten or remove them.",
        "Outliers set memory and cost, and are often pasted documents or broken rows."),
    "short_outliers": Entry(_I, "A few answers are far shorter than the rest",
        "Look at the lines named; complete or remove them.",
        "A word among paragraphs is often a placeholder, an error message or a row that was cut; the model learns to "
        "give such answers too."),
    # Quality.
    "exact_duplicate": Entry(_W, "Exact duplicates", "Run with --fix OUT to keep the first of each.",
        "Duplicates are paid for each time, push the model to recite, and leak from training into validation."),
    "near_duplicate": Entry(_I, "Nearly the same example twice", "Look at the pairs; keep the better one.",
        "Near duplicates add cost and little else, and leak into validation."),
    "conflicting_answers": Entry(_W, "The same prompt with different answers",
        "Decide on one answer, or say in the prompt what makes the difference.",
        "The model cannot learn both; it learns to guess between them."),
    "leak": Entry(_E, "Validation prompts that are also in the training data",
        "Run --fix OUT with --held-out to divide without leaks.",
        "The validation score measures memory instead of skill."),
    "near_leak": Entry(_W, "Validation examples that are nearly in the training data",
        "Move these to the training side.",
        "The validation score is flattered."),
    "label_imbalance": Entry(_W, "One label dominates", "Add examples of the others, or thin out the frequent one.",
        "A model that always answers the frequent label looks good; compare with the majority baseline."),
    "rare_label": Entry(_W, "Labels with very few examples", "Collect at least 10 of each, or merge rare labels.",
        "What occurs once or twice is not learnt, and cannot be tested."),
    "label_variants": Entry(_W, "Labels that differ only in case or spacing", "Write them the same way.",
        "The model learns two names for one thing, and exact-match scores fall."),
    "constant_answer": Entry(_W, "All answers are the same",
        "Check which column holds the answers: --columns completion=NAME.",
        "There is nothing to learn."),
    "refusal": Entry(_W, "Answers that are refusals", "Remove them, unless refusing is what you teach.",
        "The model learns to refuse more than before."),
    "cut_answer": Entry(_W, "Answers that end in the middle", "Complete or remove them.",
        "They stop at a comma or at a word that wants another, as texts do that were cut at a length limit; the model "
        "learns to stop in mid-sentence."),
    "unfilled_field": Entry(_W, "A field of a template that was not filled in",
        "Fill it in, or remove the row; nothing to do where templates are what you teach.",
        "The model learns to write {{name}} to your users."),
    "filler": Entry(_W, "A text that stands for something missing", "Restore it from its source, or remove the row.",
        "A spreadsheet's error or an empty cell became a prompt or an answer; the model learns to answer it."),
    "answer_in_prompt": Entry(_I, "Prompts that already contain the answer",
        "Check that the answer is not given away by mistake.",
        "Right for extraction and copy tasks; otherwise the model learns to copy and fails without the hint."),
    "mixed_languages": Entry(_I, "Several languages", "Nothing to do if your users write in all of them.",
        "Each language needs examples enough; a few stray ones are usually noise."),
    "secret": Entry(_W, "Something that looks like a key or password",
        "Remove it and revoke it; --fix OUT --redact writes [SECRET] in its place.",
        "The provider receives it, and the model may recite it."),
    "personal_data": Entry(_W, "Something that looks like personal data", "Remove it, or run --fix OUT --redact.",
        "The provider receives it, and the model may recite it; you may need a legal ground for that."),
    "encoding_damage": Entry(_W, "Damaged characters", "Mend the text from its source.",
        "Text was once read in the wrong encoding; the model learns the damage."),
    "control_characters": Entry(_W, "Control characters in the text", "Run with --fix OUT to remove them.",
        "They are invisible, cost tokens, and come from broken exports."),
    # Writing for a backend.
    "no_pair": Entry(_E, "No pair of answers", "Choose supervised training, or add the answers.",
        "Preference training (DPO) compares two answers to one prompt; data with one answer cannot serve it."),
    "not_trained_there": Entry(_E, "A way of training that is not offered there",
        "Choose another backend or model, or --objective sft.",
        "The job is refused after the upload."),
    "rejected_unused": Entry(_I, "The rejected answer is not used", "Train with --objective dpo to use it.",
        "Supervised training has no use for the answer people liked less; the pairs carry more than that."),
    "plain_text": Entry(_W, "Plain text, not examples of a task",
        "To teach a task, write prompts and answers: JSON lines with messages, or CSV with prompt,completion.",
        "Training on plain text is continued pretraining: every token is learnt and no prompt is answered. The model "
        "takes on the words and the style, but learns no task, and recites facts unreliably: to answer questions "
        "about a text, look it up when asked (retrieval). Together and the local trainer take plain text as it is.",
        {"together": _I, "local": _I}),
    "text_as_answer": Entry(_W, "Plain text written as a chat answer",
        "Write prompts and answers, or train where plain text is taken (together, local).",
        "Written for this backend, each text becomes an answer to nothing: the model learns to say it unasked."),
    "setting_dropped": Entry(_I, "A row setting the backend does not have", "Nothing to do if the default suits.",
        "The setting is left out of the written file."),
    "not_expressible": Entry(_W, "A row the backend's format cannot hold", "Choose another backend for these rows.",
        "The row is left out of the written file."),
    "flattened": Entry(_I, "A conversation written as one prompt",
        "Nothing to do, or choose a backend that takes chat.",
        "The model sees roles as words in a text and not as turns; ask it later in the same form."),
}  # fmt: skip


def level_of(code: str, backend: str | None = None) -> Level:
    """Return how much the problem matters at this backend."""
    entry = CATALOGUE[code]
    return entry.at.get(backend or "", entry.level)


def problem(
    code: str, line: int | None, file: str, detail: str = "", *, backend: str | None = None, unit: str = "line"
) -> Problem:
    """Make a problem of the catalogue's code; ``detail`` says what is so here."""
    entry = CATALOGUE[code]
    message = f"{entry.title}: {' '.join(detail.split())}" if detail else entry.title
    return Problem(line, code, level_of(code, backend), f"{message}.", entry.fix, file, unit)
