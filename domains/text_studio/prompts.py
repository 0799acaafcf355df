"""What the model is asked. The user's text stands in its own message, as data.

Chosen by reading the outputs on the samples of assets/samples (2026-11-23): with the
instruction before the passage the 0.5B model copies the passage from its beginning; after
it, it summarises. Translation is steadier with three worked examples.
"""

from __future__ import annotations

from collections.abc import Iterable

WRITE = {
    "en": (
        "You are a helpful writer. Write what the user asks for in English, clearly and briefly, "
        "in at most 150 words. Never invent facts about real people or companies."),
    "zh": (
        "你是一位写作助手。请按用户的要求用中文写作，清楚简洁，不超过200字。"
        "不要编造关于真实人物或公司的事实。"),
}
SUMMARISE = {
    "en": ("You write very short summaries.", "Text:\n{text}\n\nTask: in {n} short sentences, say "
           "what the text is about and its most important points. Use your own words. "
           "Do not copy the text."),
    "zh": ("你负责写非常简短的摘要。", "文字：\n{text}\n\n任务：用{n}个简短的句子说明这段文字的"
           "主要内容。不要照抄原文。"),
}
TRANSLATE = {
    "zh": "You are a professional translator. Translate English into simplified Chinese. "
          "Reply with the translation only.",
    "en": "You are a professional translator. Translate Chinese into English. Reply with the "
          "translation only; no Chinese characters.",
}
PAIRS = (
    ("Please arrive ten minutes before your appointment and bring your insurance card.",
     "请在预约时间前十分钟到达，并携带您的医保卡。"),
    ("The company said on Friday that sales rose 12% in the third quarter, helped by strong "
     "demand in Asia.",
     "该公司周五表示，得益于亚洲的强劲需求，第三季度销售额增长了12%。"),
    ("I lost my wallet on the train yesterday. Could you help me find it?",
     "我昨天在火车上丢了钱包，您能帮我找一下吗？"),
)


def messages(task: str, language: str, text: str, sentences: int = 2) -> list[dict[str, str]]:
    """``language`` is the language of the reply."""
    if task == "generate":
        return _turns(WRITE[language], text)
    if task == "summarize":
        system, request = SUMMARISE[language]
        return _turns(system, request.replace("{n}", str(sentences)).replace("{text}", text))
    examples = PAIRS if language == "zh" else [(b, a) for a, b in PAIRS]
    return _turns(TRANSLATE[language], text, examples)


def _turns(system: str, text: str,
           examples: Iterable[tuple[str, str]] = ()) -> list[dict[str, str]]:
    turns = [{"role": "system", "content": system}]
    for asked, answered in examples:
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*turns, {"role": "user", "content": text}]
