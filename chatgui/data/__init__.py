"""From a source (sample, upload, folder, hub) to rows that can be taught, and what was left out and why."""
