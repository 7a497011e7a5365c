"""What is wrong with data, one file a kind of fault, and what is done about it. Knows no tokenizer and no page."""
