//! The files of a checkpoint beside its weights: what is loaded, fetched and copied.

/// Without these there is no checkpoint.
pub(crate) const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];

/// What may lie beside them.
pub(crate) const OPTIONAL: [&str; 5] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
];

/// Chat templates with names, each in a file of its own.
pub(crate) const TEMPLATES: &str = "additional_chat_templates";
