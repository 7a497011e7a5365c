"""ChatGUI turns a pretrained GPT into a chat assistant, and shows whether it got better."""

__version__ = "0.1.0"
