"""Votes as a table, as training data, and as a report for a reader without this program."""

import csv
import io
import json
import time
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from chatgui.evaluation.reviews import Contents, Pair, Review, Vote
from chatgui.evaluation.tally import Agreement, Findings, Share, Tally, findings, majority
from chatgui.generation.compare import Messages
from chatgui.text import DEFAULT_LANGUAGE, say

CSV_COLUMNS = (
    "run", "review", "pair", "prompt", "base", "tuned", "left", "choice", "verdict", "tag", "comment", "reviewer",
    "time",
)  # fmt: skip
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")
COLOURS = {"tuned": "#1d4ed8", "tie": "#94a3b8", "both_bad": "#475569", "base": "#d97706"}


def to_csv(contents: Contents, review: Review, run: str) -> str:
    """A line for each vote. A text that a spreadsheet would compute gets an apostrophe before it."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(CSV_COLUMNS)
    for pair, vote in _votes(contents, review):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(vote.time))
        texts = prompt_text(review.prompts[pair.index]), pair.base, pair.tuned
        table.writerow([
            run, review.id, pair.index + 1, *map(_cell, texts), vote.left, vote.choice, vote.verdict, _cell(vote.tag),
            _cell(vote.comment), _cell(vote.reviewer), when,
        ])  # fmt: skip
    return out.getvalue()


def to_preferences(contents: Contents, review: Review) -> Iterator[dict[str, Any]]:
    """Rows for preference learning (DPO): each pair of which the reviewers prefer a side, in TRL's form."""
    for pair, verdict in _verdicts(contents, review):
        if verdict in ("tuned", "base"):
            chosen, rejected = (pair.tuned, pair.base) if verdict == "tuned" else (pair.base, pair.tuned)
            yield {
                "prompt": review.prompts[pair.index], "chosen": _reply(chosen), "rejected": _reply(rejected),
            }  # fmt: skip


def to_judgements(contents: Contents, review: Review | None) -> Iterator[dict[str, Any]]:
    """Rows for learning from single judgements (KTO): preferred replies are good, the others bad; thumbs as they are.

    A tie says nothing about good or bad. The form is TRL's: `prompt`, `completion`, `label`.
    """
    if review:
        for pair, verdict in _verdicts(contents, review):
            if verdict != "tie":
                for side, text in (("base", pair.base), ("tuned", pair.tuned)):
                    yield _judgement(review.prompts[pair.index], text, verdict == side)
    for item in contents.judged():
        prompt = [{"role": message.role, "content": message.content} for message in item.prompt]
        yield _judgement(prompt, item.reply, item.good)


def to_jsonl(rows: Iterator[dict[str, Any]]) -> str:
    """A row a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def prompt_text(prompt: Messages) -> str:
    """A prompt in one text; the role stands before each turn when there are several."""
    if len(prompt) == 1:
        return prompt[0]["content"]
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in prompt)


def _votes(contents: Contents, review: Review) -> Iterator[tuple[Pair, Vote]]:
    return ((pair, vote) for pair, votes in contents.of(review) for vote in votes)


def _verdicts(contents: Contents, review: Review) -> Iterator[tuple[Pair, str]]:
    for pair, votes in contents.of(review):
        if votes:
            yield pair, majority([vote.verdict for vote in votes])


def _reply(text: str) -> Messages:
    return [{"role": "assistant", "content": text}]


def _judgement(prompt: Messages, text: str, good: bool) -> dict[str, Any]:
    return {"prompt": prompt, "completion": _reply(text), "label": good}


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_MARKS) else text


# ---- in words --------------------------------------------------------------------------------------------------------


def percent(value: float) -> str:
    """`62.5 %` without superfluous digits."""
    return f"{100 * value:.1f} %"


def share_text(share: Share, language: str = DEFAULT_LANGUAGE) -> str:
    """A share with its interval, or a dash when nothing was counted."""
    if share.value is None:
        return "–"
    low, high = share.interval
    return say(
        "review.share", language, share=percent(share.value), count=share.count, total=share.total, low=percent(low),
        high=percent(high),
    )  # fmt: skip


def agreement_text(found: Agreement, language: str = DEFAULT_LANGUAGE) -> str:
    """Kappa of a group of reviewers in one line."""
    kappa = say("review.kappa_undefined", language) if found.kappa is None else f"{found.kappa:.2f}"
    return say("review.kappa", language, reviewers=" × ".join(found.reviewers), kappa=kappa, pairs=found.pairs)


def verdict_line(found: Findings, language: str = DEFAULT_LANGUAGE) -> str:
    """What the votes say so far, in one sentence; careful as long as the interval holds one half."""
    rate = found.votes.win_rate
    if rate.value is None:
        return say("review.nothing_yet", language)
    low, high = rate.interval
    if low > 0.5:
        return say("review.tuned_better", language)
    return say("review.base_better" if high < 0.5 else "review.undecided", language)


# ---- the report ------------------------------------------------------------------------------------------------------


def to_html(contents: Contents, review: Review, run: str, language: str = DEFAULT_LANGUAGE) -> str:
    """A page that needs nothing else: tally, charts and every pair with its votes."""
    found = findings(contents, review)
    facts = [(say(key, language), value) for key, value in facts_of(found, review, language)]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    pairs = "".join(_pair_html(pair, votes, review, language) for pair, votes in contents.of(review) if votes)
    title = say("review.report_title", language, run=run)
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{escape(title)}</h1>'
        f"<p>{escape(verdict_line(found, language))}</p><table>{rows}</table>{_charts(found, language)}"
        f"<h2>{escape(say('review.report_pairs', language))}</h2>{pairs}</html>"
    )


def facts_of(found: Findings, review: Review, language: str) -> Iterator[tuple[str, str]]:
    """Locale key and value of everything a review found, the most telling first."""
    yield "review.win_rate", share_text(found.votes.win_rate, language)
    yield "review.votes", _tally_text(found.votes, language)
    if len(found.reviewers) > 1:
        yield "review.by_pair", f"{_tally_text(found.pairs, language)}; {share_text(found.pairs.win_rate, language)}"
        for agreed in found.agreement:
            yield "review.agreement", agreement_text(agreed, language)
    yield "review.reviewers", ", ".join(f"{name} ({count})" for name, count in found.reviewers.items()) or "–"
    yield "review.longer", share_text(found.longer, language)
    yield "review.left_bias", share_text(found.left, language)
    yield "review.identical", str(found.identical)
    yield "review.drawn", say("review.drawn_with", language, seed=review.seed, **_sampling(review))


def _sampling(review: Review) -> dict[str, Any]:
    settings = review.settings
    return {"temperature": settings.temperature, "top_p": settings.top_p, "max_new_tokens": settings.max_new_tokens}


def _tally_text(tally: Tally, language: str) -> str:
    return say(
        "review.counts", language, wins=tally.wins, ties=tally.ties, both_bad=tally.both_bad, losses=tally.losses
    )


def tally_figure(found: Findings, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """A bar for each verdict, as Plotly's JSON."""
    counts = {
        "tuned": found.votes.wins, "tie": found.votes.ties, "both_bad": found.votes.both_bad,
        "base": found.votes.losses,
    }  # fmt: skip
    names = [say(f"review.verdict.{name}", language) for name in counts]
    return {
        "data": [
            {
                "type": "bar", "orientation": "h", "y": names, "x": list(counts.values()),
                "text": list(counts.values()), "hoverinfo": "skip",
                "marker": {"color": [COLOURS[name] for name in counts]},
            }
        ],
        "layout": {
            "yaxis": {"autorange": "reversed", "automargin": True}, "margin": {"l": 8, "r": 24, "t": 8, "b": 32},
            "height": 220, "xaxis": {"rangemode": "tozero", "title": {"text": say("review.votes", language)}},
        },
    }  # fmt: skip


def interval_figure(found: Findings, language: str = DEFAULT_LANGUAGE) -> dict[str, Any]:
    """Win rate, length and side biases with their intervals beside one half, as Plotly's JSON."""
    shares = {"review.win_rate": found.votes.win_rate, "review.longer": found.longer, "review.left_bias": found.left}
    known = {say(key, language): share for key, share in shares.items() if share.value is not None}
    values = [share.value or 0.0 for share in known.values()]
    ends = [share.interval for share in known.values()]
    return {
        "data": [
            {
                "type": "scatter", "mode": "markers", "x": values, "y": list(known), "marker": {"size": 12},
                "error_x": {
                    "type": "data", "symmetric": False,
                    "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
                    "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
                },
            }
        ],
        "layout": {
            "xaxis": {"range": [0, 1], "tickformat": ".0%"}, "yaxis": {"autorange": "reversed", "automargin": True},
            "margin": {"l": 8, "r": 24, "t": 8, "b": 32}, "height": 220,
            "shapes": [
                {"type": "line", "x0": 0.5, "x1": 0.5, "yref": "paper", "y0": 0, "y1": 1, "line": {"dash": "dot"}}
            ],
        },
    }  # fmt: skip


def _charts(found: Findings, language: str) -> str:
    import plotly.graph_objects as go
    from plotly.io import to_html as figure_html

    parts = []
    for number, figure in enumerate((tally_figure(found, language), interval_figure(found, language))):
        parts.append(
            figure_html(
                go.Figure(figure), full_html=False, include_plotlyjs=not number, default_height="220px",
                config={"displayModeBar": False},
            )
        )  # fmt: skip
    return "".join(parts)


def _pair_html(pair: Pair, votes: Sequence[Vote], review: Review, language: str) -> str:
    said = [
        " · ".join(
            filter(None, (vote.reviewer, say(f"review.verdict.{vote.verdict}", language), vote.tag, vote.comment))
        )
        for vote in votes
    ]
    sides = "".join(
        f"<section><h4>{escape(say(f'chat.{side}', language))}</h4><p>{_text(reply)}</p></section>"
        for side, reply in (("base", pair.base), ("tuned", pair.tuned))
    )
    lines = "".join(f"<li>{_text(line)}</li>" for line in said)
    prompt = _text(prompt_text(review.prompts[pair.index]))
    return f"<article><h3>{pair.index + 1}. {prompt}</h3><div>{sides}</div><ul>{lines}</ul></article>"


def _text(text: str) -> str:
    return escape(text.translate({code: "\ufffd" for code in range(0xD800, 0xE000)}))


STYLE = """
:root { color-scheme: light; } body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #0f172a; background: #fff; }
h3, p, li { white-space: pre-wrap; overflow-wrap: anywhere; } h3 { font-size: 1em; }
table { border-collapse: collapse; } th { text-align: start; padding-inline-end: 1.5em; font-weight: 600; }
th, td { vertical-align: top; padding-block: 3px; } article { border-top: 1px solid #cbd5e1; padding: 8px 0; }
article div { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 12px; }
section { background: #f1f5f9; border-radius: 8px; padding: 8px 14px; } h4 { margin: 0; color: #475569; }
section p { margin: 4px 0; }
"""
