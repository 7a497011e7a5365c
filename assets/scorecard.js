// The scorecard in the Review tab: a card of its own under the votes. Stands between review_parts.js and review.js.
const score = make("details", "card score", undefined, main);
const scoreTitle = make("summary", "", "", score);
const scoreText = make("p", "intro", "", score);
const scoreRow = make("div", "row", undefined, score);
const scoreMake = button("small score-make", scoreRow, async () => {
  try { takeCard(await call("score", query({card_at: cardAt}))); draw(); later(MAKING_MS); } catch { offline(true); }
});
const scoreState = make("span", "score-state", "", scoreRow);
scoreState.setAttribute("role", "status");
const tableWrap = make("div", "table", undefined, score);
const changesTitle = make("h4", "", "", score);
const changes = make("div", "changes", undefined, score);
let cardAt = "", card = null;

function takeCard(answer) {
  if (answer.scoring === undefined) { if (answer.error) trouble.textContent = answer.error; return; }
  if (answer.card_at !== cardAt) { cardAt = answer.card_at; card = answer.card || null; score.dataset.drawn = ""; }
  scoreState.textContent = answer.scoring_text;
  scoreMake.disabled = answer.scoring;
  score.dataset.scoring = answer.scoring;
}

function drawCard(t) {
  scoreTitle.textContent = t.card;
  scoreText.textContent = card ? card.title : t.card_intro;
  scoreMake.textContent = card ? t.card_again : t.card_make;
  tableWrap.hidden = changes.hidden = changesTitle.hidden = !card;
  if (!card || score.dataset.drawn === cardAt) return;
  score.dataset.drawn = cardAt;
  score.open = !now.review || now.done;
  const table = make("table", "", undefined, null);
  const top = make("tr", "", undefined, make("thead", "", undefined, table));
  for (const text of [t.metric, t.base, t.tuned, t.change]) make("th", "", text, top);
  const body = make("tbody", "", undefined, table);
  for (const row of card.rows) {
    const line = make("tr", row.good === null ? "" : row.good ? "good" : "bad", undefined, body);
    make("th", "", row.name, line).title = row.help;
    for (const value of [row.base, row.tuned]) make("td", "", value, line);
    make("td", "", `${row.good === null ? "" : row.good ? "▲ " : "▼ "}${row.change}`, line);
  }
  tableWrap.replaceChildren(table);
  changesTitle.textContent = t.changes;
  changesTitle.hidden = !card.changes.length;
  changes.replaceChildren();
  for (const row of card.changes) {
    const item = make("article", "", undefined, changes);
    turns(make("div", "asked", undefined, item), row.prompt);
    const three = make("div", "three", undefined, item);
    for (const [name, text] of [[t.reference, row.reference], [t.base, row.base], [t.tuned, row.tuned]]) {
      const cell = make("section", "", undefined, three);
      make("h4", "", name, cell);
      make("div", "text", text, cell).dir = "auto";
    }
  }
}
