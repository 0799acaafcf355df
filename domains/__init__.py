"""The domains of the application, in tab order."""

from domains.base import Domain

SEARCH = ("minilm-l6", "use-multilingual", "reranker")

DOMAINS: tuple[Domain, ...] = (
    Domain("customer_service", (*SEARCH, "bank-intent", "emotion", "emotion-zh",
                                "qwen-0.5b")),
    Domain("medical_qa", SEARCH),
    Domain("financial_sentiment", ("minilm-l6", "finance-sentiment", "spacy-en")),
    Domain("recommendation", ("films", "minilm-l6", "use-multilingual")),
    Domain("text_studio", ("qwen-0.5b", "minilm-l6", "use-multilingual")),
    Domain("engine_lab", ()),
)
