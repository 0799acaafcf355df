"""The rules of the fake engine: bags of words, keyword labels, overlap, extraction."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from lepton_engine.marking import OTHER, TARGET
from lepton_engine.results import Entity


def _list(text: str) -> list[str]:
    return text.split()


SENTIMENT = {
    "positive": "rise rises climb climbs gain gains beat beats jump jumps record wins surge surges "
                "soar soars rally raises profit growth upgrade strong booming high up",
    "negative": "fall falls drop drops slide slides slump slumps miss misses cut cuts loss losses "
                "lawsuit warns weak plunge plunges downgrade fails recall layoffs short low down",
}
REVERSED = {"positive": "negative", "neutral": "neutral", "negative": "positive"}
INTENTS = _list("""activate_my_card age_limit apple_pay_or_google_pay atm_support automatic_top_up
balance_not_updated_after_bank_transfer balance_not_updated_after_cheque_or_cash_deposit
beneficiary_not_allowed cancel_transfer card_about_to_expire card_acceptance card_arrival
card_delivery_estimate card_linking card_not_working card_payment_fee_charged
card_payment_not_recognised card_payment_wrong_exchange_rate card_swallowed cash_withdrawal_charge
cash_withdrawal_not_recognised change_pin compromised_card contactless_not_working country_support
declined_card_payment declined_cash_withdrawal declined_transfer
direct_debit_payment_not_recognised disposable_card_limits edit_personal_details exchange_charge
exchange_rate exchange_via_app extra_charge_on_statement failed_transfer fiat_currency_support
get_disposable_virtual_card get_physical_card getting_spare_card getting_virtual_card
lost_or_stolen_card lost_or_stolen_phone order_physical_card passcode_forgotten
pending_card_payment pending_cash_withdrawal pending_top_up pending_transfer pin_blocked
receiving_money Refund_not_showing_up request_refund reverted_card_payment?
supported_cards_and_currencies terminate_account top_up_by_bank_transfer_charge
top_up_by_card_charge top_up_by_cash_or_cheque top_up_failed top_up_limits top_up_reverted
topping_up_by_card transaction_charged_twice transfer_fee_charged transfer_into_account
transfer_not_received_by_recipient transfer_timing unable_to_verify_identity verify_my_identity
verify_source_of_funds verify_top_up virtual_card_not_working visa_or_mastercard
why_verify_identity wrong_amount_of_cash_received
wrong_exchange_rate_for_cash_withdrawal""")
EMOTIONS = {
    "calm": (), "confused": ("confused", "understand", "糊涂", "不明白"),
    "upset": ("ridiculous", "annoyed", "angry", "生气", "离谱"),
    "urgent": ("right now", "hurry", "马上", "立刻"),
}
ADAPTERS = {
    "finance-sentiment": ("negative", "neutral", "positive"),
    "bank-intent": tuple(INTENTS),
    "emotion": tuple(EMOTIONS),
    "emotion-zh": tuple(EMOTIONS),
}
STOP_WORDS = frozenset(_list(
    "a an and are as at be by can could did do does for from has have how i if in is it its me my "
    "no not of on or our please s t that the their they this to was we were what when where which "
    "who why will with would you your 的 了 吗 我 是 在 有 和 怎 么 什 你 请"))
CHINESE = re.compile(r"[一-鿿]")


def words(text: str, synonyms: Mapping[str, str] | None = None) -> list[str]:
    """Lower-case stems without stop words; Chinese as characters and pairs of them."""
    for word, meaning in (synonyms or {}).items():
        text = text.replace(word, f" {meaning} ")
    found = re.findall(r"[^\W_]+", CHINESE.sub(lambda m: f" {m[0]} ", text.lower()))
    stems = [_stem(word) for word in found if word not in STOP_WORDS]
    runs = re.findall(r"[一-鿿]+", text)
    return stems + [run[i:i + 2] for run in runs for i in range(len(run) - 1)]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def bag_vector(text: str, size: int, synonyms: Mapping[str, str]) -> np.ndarray:
    """Each word's hash chooses a few signed places; length 1 (never all zeros)."""
    vector = np.zeros(size, dtype=np.float32)
    for word in words(text, synonyms) or ["", text]:
        for salt in range(4):
            digest = zlib.crc32(f"{salt}:{word}".encode("utf-8", "replace"))
            vector[digest % size] += 1.0 if digest & 0x10000 else -1.0
    return vector / (float(np.linalg.norm(vector)) or 1.0)


def overlap(query: str, passage: str, synonyms: Mapping[str, str] | None = None) -> float:
    """The share of the query's words that the passage has, 0..1."""
    wanted = set(words(query, synonyms))
    return len(wanted & set(words(passage, synonyms))) / len(wanted) if wanted else 0.0


def best_label(text: str, adapter: str) -> tuple[str, bool]:
    """The label of a text and whether any rule spoke for it."""
    if adapter == "finance-sentiment":
        return sentiment(text), True
    if adapter.startswith("emotion"):
        said = (label for label, keys in EMOTIONS.items() if any(k in text.lower() for k in keys))
        return next(said, "calm"), True
    have = set(words(text))
    scored = [(len(have & set(words(name.replace("_", " ")))), -len(name), name)
              for name in INTENTS]
    count, _, name = max(scored)
    return name, count >= 2


def sentiment(text: str) -> str:
    """By keywords; of a company asked about, by those right after it.

    Where these say nothing, the words before it speak, with the opposite sign: what another
    company gains, this one loses. Where these say nothing either, the whole text speaks.
    """
    before, own, after = text.partition(TARGET)
    if not own:
        return _by_keywords(text)
    said = _by_keywords(after.split(OTHER)[0].split(TARGET)[0])
    if said == "neutral":
        said = REVERSED[_by_keywords(before)]
    return said if said != "neutral" else _by_keywords(text)


def _by_keywords(text: str) -> str:
    have = set(re.findall(r"[a-z]+", text.lower()))
    counts = {label: len(have & set(keys.split())) for label, keys in SENTIMENT.items()}
    label = max(counts, key=lambda name: counts[name])
    return "neutral" if counts["positive"] == counts["negative"] else label


def capitalised_entities(text: str) -> tuple[Entity, ...]:
    """Runs of capitalised words (ORG), but not a sentence's first word followed by none."""
    runs = re.finditer(r"\b(?:[A-Z0-9][\w&.-]*[A-Za-z])(?: [A-Z][\w&-]+)*", text)
    return tuple(Entity(m[0], "ORG", m.start(), m.end()) for m in runs
                 if m[0].lower() not in STOP_WORDS)


def extractive_reply(messages: Sequence[Mapping[str, str]]) -> str:
    """The sentence of the context that shares most with the last line, or that line."""
    lines = [line for m in messages for line in m["content"].splitlines() if line.strip()]
    if not lines:
        return ""
    question = lines[-1]
    parts = [p.strip() for line in lines[:-1] for p in re.split(r"(?<=[.!?。！？])\s*", line)]
    parts = [p for p in parts if p and not p.endswith(("?", "？"))]
    best = max(parts, key=lambda p: overlap(question, p), default="")
    return best if best and overlap(question, best) > 0 else question
