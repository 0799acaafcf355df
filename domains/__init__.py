"""The domains of the application, in tab order."""

from domains.base import Domain

DOMAINS: tuple[Domain, ...] = (
    Domain("customer_service", ("minilm-l6", "use-multilingual", "reranker", "bank-intent", "qwen-0.5b")),
    Domain("medical_qa", ("minilm-l6", "use-multilingual", "reranker")),
    Domain("financial_sentiment", ("finance-sentiment", "spacy-en")),
    Domain("recommendation", ("films", "minilm-l6")),
    Domain("text_studio", ("qwen-0.5b", "minilm-l6")),
)
