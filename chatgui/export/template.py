"""Chat templates as other programs take them: without generation marks, and in Ollama's language."""

import re
from dataclasses import dataclass
from typing import Any

from chatgui.errors import DataError

BLOCK = re.compile(r"(\s*)\{%(-?)\s*(?:end)?generation\s*(-?)%\}(\s*)")
ROLES = ("system", "user", "assistant")


def portable(template: str) -> str:
    """The same Jinja template without `{% generation %}` marks, which other programs' renderers refuse.

    A mark may have eaten the white space around it (`{%-`, `-%}`); that stays eaten.
    """

    def without(mark: re.Match[str]) -> str:
        before, left, right, after = mark.groups()
        return ("" if left else before) + ("" if right else after)

    return BLOCK.sub(without, template)


@dataclass(frozen=True)
class Frame:
    """What a template writes around the text of a turn."""

    before: str
    after: str


@dataclass(frozen=True)
class Frames:
    """A template that treats every turn of a role alike. `opening` comes before the reply that is asked for."""

    turns: dict[str, Frame]
    opening: str


def frames(template: Any) -> Frames | None:
    """How a `tokens.template.Template` frames its turns, or None when it does more than frame them.

    Found by rendering, and proved by rendering: the frames must give a conversation of five turns letter by letter.
    """
    probe = [("system", "Qsq"), ("user", "Quq"), ("assistant", "Qaq"), ("user", "Qvq"), ("assistant", "Qbq")]
    try:
        whole = template.render([{"role": role, "content": text} for role, text in probe]).text
        asked = template.render([{"role": "user", "content": "Quq"}]).text
    except DataError:
        return None
    parts = re.split("|".join(text for _, text in probe), whole)
    opening = template.opening
    if len(parts) != len(probe) + 1 or not opening:
        return None
    # Between a user's text and a reply stand the end of the one and the beginning of the other; the opening is known
    # (a reply may have a space of its own behind it).
    after_user, found_opening, space = parts[2].rpartition(opening)
    between = parts[3]  # end of a reply, beginning of a user's turn
    before_user = _before_user(asked, between, after_user)
    if before_user is None or not found_opening:
        return None
    after_reply = between.removesuffix(before_user)
    after_system = parts[1].removesuffix(before_user)
    turns = {
        "system": Frame(parts[0], after_system), "user": Frame(before_user, after_user),
        "assistant": Frame(opening + space, after_reply),
    }  # fmt: skip
    found = Frames(turns, opening)
    built = "".join(turns[role].before + text + turns[role].after for role, text in probe)
    return found if built == whole else None


def _before_user(asked: str, between: str, after_user: str) -> str | None:
    """The longest beginning of a user's turn that also ends what stands between a reply and the next user turn."""
    alone = asked.removesuffix(after_user).removesuffix("Quq")
    for length in range(len(alone), 0, -1):
        if between.endswith(alone[-length:]):
            return alone[-length:]
    return None


def modelfile(file_name: str, template: Any, stop: list[str], context_tokens: int, temperature: float) -> str:
    """An Ollama Modelfile beside a GGUF file; without a TEMPLATE where the chat template does more than frame turns.

    See docs.ollama.com/modelfile for the form.
    """
    lines = [f"FROM ./{file_name}", f"PARAMETER num_ctx {context_tokens}", f"PARAMETER temperature {temperature:g}"]
    lines += [f"PARAMETER stop {_quoted(word)}" for word in stop]
    if (framed := frames(template)) is not None:
        lines.append(f'TEMPLATE """{_go_template(framed)}"""')
    return "\n".join(lines) + "\n"


def _go_template(framed: Frames) -> str:
    cases = "".join(
        f'{{{{ {"if" if index == 0 else "else if"} eq .Role "{role}" }}}}'
        f"{_literal(framed.turns[role].before)}{{{{ .Content }}}}{_literal(framed.turns[role].after)}"
        for index, role in enumerate(ROLES)
    )
    return f"{{{{ range .Messages }}}}{cases}{{{{ end }}}}{{{{ end }}}}{_literal(framed.opening)}"


def _literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
