"""Between items and tensors: templates, label masks, lengths, batches. Preview and batch both come from here."""
