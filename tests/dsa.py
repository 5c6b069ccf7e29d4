"""What a platform says of its policies, for tests of statements for the DSA."""

from typing import Any

POLICIES: dict[str, Any] = {
    "puid_prefix": "example-",
    "defaults": {
        "territorial_scope": ["DE", "FR"],
        "content_type": ["CONTENT_TYPE_OTHER"],
        "content_type_other": "account",
        "source_type": "SOURCE_VOLUNTARY",
    },
    "policies": {
        "illegal": {
            "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
            "illegal_content_legal_ground": "Regulation (EU) 2019/1020",
            "illegal_content_explanation": "Goods that may not be sold.",
            "category": "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
            "decision_facts": "The account offered goods that may not be sold.",
        },
        "spam": {
            "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
            "incompatible_content_ground": "Terms, section 4",
            "incompatible_content_explanation": "Unasked-for advertising.",
            "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        },
    },
}
