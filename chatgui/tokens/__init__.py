"""Between items and tensors: templates, label masks, lengths and batches. The preview and the batch both come from here."""
