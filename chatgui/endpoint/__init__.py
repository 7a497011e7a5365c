"""OpenAI's protocol: what is asked, how a reply grows, how it is written. Knows nothing of runs or routes."""
