// The blind review. Gradio gives: element, props, trigger, watch, server. A vote is written into the browser first and
// taken out when the server has it, so a reload, a killed server or a lost network loses none.
const root = element.querySelector(".review") || element;
const PENDING = "chatgui_votes", REVIEWER = "chatgui_reviewer", REVEAL = "chatgui_reveal";
const KEYS = {1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", 3: "tie", 4: "both_bad"};
const SHOWN_KEYS = {left: "1 ←", right: "2 →", tie: "3", both_bad: "4"};
const MAKING_MS = 700, IDLE_MS = 5000, RETRY_MS = 1500;

function make(tag, className, text, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;  // text from data and models is only ever shown as text
  if (parent) parent.appendChild(node);
  return node;
}
function button(className, parent, act) {
  const node = make("button", className, "", parent);
  node.type = "button";
  node.onclick = act;
  return node;
}
function field(className, parent, tag = "input", type) {
  const wrap = make("label", `field ${className}`, undefined, parent);
  const name = make("span", "", "", wrap);
  const input = make(tag, "", undefined, wrap);
  if (type) input.type = type;
  return {wrap, name, input};
}
const stored = (name, fallback) => { try { return JSON.parse(localStorage.getItem(name)) ?? fallback; } catch { return fallback; } };
const store = (name, value) => localStorage.setItem(name, JSON.stringify(value));
const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (n) => n.toString(16).padStart(2, "0")).join("");

// ---- what is remembered ------------------------------------------------------------------------------------------
let run = null, review = "", now = null, kept = null, composing = false, beginning = false, sending = false, tag = "";
let reviewer = stored(REVIEWER, "") || `reviewer-${fresh().slice(0, 4)}`;
store(REVIEWER, reviewer);

// ---- the parts ---------------------------------------------------------------------------------------------------
const empty = make("div", "empty", undefined, root);
const emptyText = make("div", "", "", empty);
const toTrain = button("primary", empty, () => trigger("open_train"));
const main = make("div", "main", undefined, root);
empty.hidden = main.hidden = true;  // until the first answer
const head = make("div", "head", undefined, main);
const runs = field("runs", head, "select");
const reviews = field("reviews", head, "select");
const name = field("name", head, "input", "text");
name.input.maxLength = 60;
name.input.autocomplete = "off";
const revealing = field("check", head, "input", "checkbox");
revealing.input.checked = stored(REVEAL, true);
const begun = button("small new", head, () => { beginning = true; draw(); });

const trouble = make("p", "trouble", "", main);
trouble.setAttribute("role", "alert");
const again = button("small again", main, () => look({again: true}));

// begin
const form = make("section", "card begin", undefined, main);
const intro = make("p", "intro", "", form);
const sources = make("fieldset", "sources", undefined, form);
const sourcesName = make("legend", "", "", sources);
const choices = ["test", "typed", "file"].map((value) => {
  const wrap = make("label", "", undefined, sources);
  const input = make("input", "", undefined, wrap);
  Object.assign(input, {type: "radio", name: "review-source", value, checked: value === "test"});
  input.onchange = draw;
  return {value, input, text: make("span", "", "", wrap)};
});
const typed = field("typed", form, "textarea");
typed.input.rows = 5;
const file = field("file", form, "input", "file");
file.input.accept = ".jsonl,.json,.txt";
const numbers = make("div", "numbers", undefined, form);
const pairs = field("pairs", numbers, "input", "number");
Object.assign(pairs.input, {min: 1, max: 1000, step: 1, value: 20});
const temperature = field("temperature", numbers, "input", "number");
Object.assign(temperature.input, {min: 0, max: 5, step: 0.1});
const tokens = field("tokens", numbers, "input", "number");
Object.assign(tokens.input, {min: 1, max: 32768, step: 1});
const seed = field("seed", numbers, "input", "number");
Object.assign(seed.input, {min: 0, step: 1});
const beginRow = make("div", "row", undefined, form);
const start = button("primary start", beginRow, begin);
const cancel = button("small", beginRow, () => { beginning = false; draw(); });

// vote
const desk = make("section", "desk", undefined, main);
const count = make("div", "count", undefined, desk);
const countText = make("span", "", "", count);
const bar = make("div", "bar", undefined, count);
bar.setAttribute("role", "progressbar");
const fill = make("i", "", undefined, bar);
const waiting = make("p", "waiting", "", desk);
waiting.setAttribute("role", "status");
const pair = make("div", "pair", undefined, desk);
const prompt = make("div", "prompt", undefined, pair);
const sides = make("div", "sides", undefined, pair);
const panes = ["left", "right"].map((side) => {
  const pane = make("article", `side ${side}`, undefined, sides);
  return {side, pane, title: make("h4", "", "", pane), text: make("div", "text", "", pane)};
});
const buttons = make("div", "buttons", undefined, pair);
const votes = {};
for (const choice of ["left", "tie", "both_bad", "right"]) {
  votes[choice] = button(`vote ${choice}`, buttons, () => vote(choice));
  votes[choice].dataset.choice = choice;
}
const revealed = make("div", "revealed", undefined, pair);
const revealedText = make("span", "", "", revealed);
revealedText.setAttribute("role", "status");
const next = button("primary next", revealed, () => { kept = null; draw(); });
const why = make("div", "why", undefined, pair);
const whyName = make("span", "why-name", "", why);
const tags = make("div", "tags", undefined, why);
const comment = field("comment", why, "input", "text");
comment.input.maxLength = 4000;
const done = make("p", "done", "", desk);

// result
const outcome = make("details", "card outcome", undefined, main);
const outcomeTitle = make("summary", "", "", outcome);
const verdict = make("p", "verdict", "", outcome);
const stack = make("div", "stack", undefined, outcome);
const legend = make("ul", "legend", undefined, outcome);
const ruler = make("div", "ruler", undefined, outcome);
const range = make("i", "range", undefined, ruler);
const point = make("b", "point", undefined, ruler);
make("u", "half", undefined, ruler);
const facts = make("dl", "facts", undefined, outcome);
const exportsTitle = make("h4", "", "", outcome);
const exportRow = make("div", "row exports", undefined, outcome);
const files = {};
for (const kind of ["html", "csv", "preference", "kto"]) {
  files[kind] = button(`small export-${kind}`, exportRow, () => save(kind));
}
const leadRow = make("div", "row lead", undefined, outcome);
const trainOn = button("primary train-on", leadRow, () => trigger("hand_over", {run, review, to: "train"}));
const openIn = button("small open-in", leadRow, () => trigger("hand_over", {run, review, to: "dataset"}));

// scorecard
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
  score.open = true;
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

// ---- talking to the server ---------------------------------------------------------------------------------------
let timer = null, asking = false, given = 0;
const query = (more) => ({run, review, reviewer, card_at: cardAt, ...more});
const visible = () => document.visibilityState === "visible" && root.offsetParent !== null;

async function call(name, query) {
  const answer = await server[name](query);
  if (!answer) throw new Error("no answer");  // Gradio's client gives nothing where the server cannot be reached
  return answer;
}

function later(pause) { clearTimeout(timer); timer = setTimeout(() => look(), pause); }

async function look(more) {
  clearTimeout(timer);
  if (!element.isConnected) return;
  if (asking || (!visible() && now)) return later(IDLE_MS / 5);
  asking = true;
  try {
    await flush();
    const asked = given, answer = await call("look", query(more));
    if (asked === given) take(answer);  // else a vote was given meanwhile, and this answer does not know of it
  } catch { offline(true); }
  asking = false;
  later(now && !isOffline() ? (now.working || now.scoring || (!now.next && now.review && !now.done) ? MAKING_MS : IDLE_MS) : RETRY_MS);
}

function take(answer) {
  offline(false);
  if (answer.runs) {
    now = answer;
    run = answer.run;
    review = answer.review || "";
    takeCard(answer);
  }
  trouble.textContent = answer.error || "";
  again.hidden = !answer.error || !answer.review;
  draw();
}

const isOffline = () => root.classList.contains("offline");
function offline(on) {
  root.classList.toggle("offline", on);
  if (on && now) { trouble.textContent = now.texts.offline; again.hidden = true; }
}

async function flush() {
  // In the order they were given. One the server refuses (its pair is gone) would be refused for ever: it goes too.
  for (const ballot of stored(PENDING, [])) {
    const answer = await call("vote", ballot);
    store(PENDING, stored(PENDING, []).filter((other) => other.id !== ballot.id));
    if (kept && kept.id === ballot.id) kept = answer.kept ? {...kept, ...answer.kept} : null;
    if (!answer.error && ballot.run === run && ballot.review === review) take(answer);
  }
}

async function vote(choice) {
  const shown = now && now.next;
  if (!shown || kept || sending || pair.hidden) return;
  sending = true;
  given++;
  const ballot = query({index: shown.index, choice, tag, comment: comment.input.value, id: fresh()});
  store(PENDING, [...stored(PENDING, []), ballot]);
  kept = {...shown, choice, id: ballot.id, verdict: null};
  tag = ""; comment.input.value = "";
  draw();
  try { await flush(); } catch { offline(true); later(RETRY_MS); }
  sending = false;
  if (!revealing.input.checked && kept && kept.verdict) kept = null;
  draw();
  if (kept) next.focus();
}

async function begin() {
  const source = choices.find((choice) => choice.input.checked).value;
  const chosen = file.input.files[0];
  start.disabled = true;
  try {
    const text = source === "file" ? (chosen ? await chosen.text() : "") : typed.input.value;
    const drawn = {
      pairs: Number(pairs.input.value), temperature: Number(temperature.input.value), seed: Number(seed.input.value),
      max_new_tokens: Number(tokens.input.value), top_p: now.defaults.top_p,
    };
    const answer = await call("begin", {...query(drawn), source, text, file: chosen ? chosen.name : ""});
    if (!answer.error) { beginning = false; kept = null; }
    take(answer);
    later(MAKING_MS);
  } catch { offline(true); }
  start.disabled = false;
}

async function save(kind) {
  try {
    const answer = await call("export", query({as: kind}));
    if (answer.error) { trouble.textContent = answer.error; return; }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([answer.text], {type: "application/octet-stream"}));
    link.download = answer.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch { offline(true); }
}

// ---- drawing -----------------------------------------------------------------------------------------------------
function options(select, items, chosen) {
  const wanted = JSON.stringify(items);
  if (select.dataset.items !== wanted) {
    select.dataset.items = wanted;
    select.replaceChildren(...items.map(({id, name}) => new Option(name, id)));
  }
  if (document.activeElement !== select) select.value = chosen || "";
}

function turns(node, messages) {
  node.replaceChildren();
  for (const message of messages) {
    if (messages.length > 1) make("span", "role", message.role, node);
    make("div", `turn ${message.role}`, message.content, node).dir = "auto";
  }
}

function words(t) {
  emptyText.textContent = t.no_run.replace(/^#+ /, "");
  toTrain.textContent = t.to_train;
  for (const [part, key] of [[runs, "choose_run"], [reviews, "reviews"], [name, "reviewer"], [revealing, "reveal"],
    [typed, "typed_help"], [file, "file"], [pairs, "pairs"], [temperature, "temperature"], [tokens, "tokens"],
    [seed, "seed"], [comment, "comment"]]) part.name.textContent = t[key];
  for (const [node, key] of [[begun, "new"], [again, "error_again"], [intro, "intro"], [sourcesName, "source"],
    [start, "begin"], [cancel, "cancel"], [waiting, "preparing"], [next, "next"], [done, "done"], [whyName, "tag"],
    [outcomeTitle, "so_far"], [exportsTitle, "exports"], [trainOn, "train_on_votes"], [openIn, "open_dataset"]]) {
    node.textContent = t[key];
  }
  for (const choice of choices) choice.text.textContent = t[`source_${choice.value}`];
  for (const [choice, node] of Object.entries(votes)) {
    if (node.dataset.text === t[choice]) continue;
    node.dataset.text = t[choice];
    node.replaceChildren();
    make("span", "", t[choice], node);
    make("kbd", "", SHOWN_KEYS[choice], node);
  }
  for (const [kind, node] of Object.entries(files)) node.textContent = t[`export_${kind}`];
  if (!tags.children.length) {
    for (const [id, text] of Object.entries(t.tags)) {
      const chip = button("chip", tags, () => { tag = tag === id ? "" : id; draw(); });
      chip.dataset.tag = id;
      chip.textContent = text;
    }
  }
  comment.input.placeholder = t.comment;
  next.dataset.keys = "↵";
}

function draw() {
  if (!now) return;
  words(now.texts);
  empty.hidden = Boolean(now.run);
  main.hidden = !now.run;
  if (!now.run) return;
  options(runs.input, now.runs, run);
  options(reviews.input, now.reviews, review);
  reviews.wrap.hidden = now.reviews.length < 2;
  if (document.activeElement !== name.input) name.input.value = reviewer;
  drawCard(now.texts);
  const open = Boolean(now.review) && !beginning;
  form.hidden = open;
  desk.hidden = outcome.hidden = !open;
  begun.hidden = !open;
  cancel.hidden = !now.review;
  name.wrap.hidden = revealing.wrap.hidden = !open;
  if (!open) return drawForm();
  drawDesk(now.texts);
  drawOutcome(now.result);
}

function drawForm() {
  const source = choices.find((choice) => choice.input.checked).value;
  typed.wrap.hidden = source !== "typed";
  file.wrap.hidden = source !== "file";
  for (const [part, key] of [[pairs, "pairs"], [temperature, "temperature"], [tokens, "max_new_tokens"], [seed, "seed"]]) {
    if (form.dataset.run !== run) part.input.value = now.defaults[key];
  }
  form.dataset.run = run;
}

function drawDesk(t) {
  const share = now.total ? (now.voted + now.skipped) / now.total : 0;
  countText.textContent = `${now.voted + now.skipped} / ${now.total}`;
  fill.style.width = `${100 * share}%`;
  bar.setAttribute("aria-valuenow", Math.round(100 * share));
  const shown = kept || now.next;
  pair.hidden = !shown;
  done.hidden = Boolean(shown) || !now.done;
  waiting.hidden = Boolean(shown) || now.done || Boolean(now.error);
  buttons.hidden = why.hidden = Boolean(kept);
  revealed.hidden = !kept || !kept.verdict;
  if (!shown) return;
  const key = `${now.review}/${shown.index}`;
  if (pair.dataset.pair !== key) {
    pair.dataset.pair = key;
    turns(prompt, shown.prompt);
    for (const {side, text} of panes) { text.textContent = shown[side]; text.dir = "auto"; }
  }
  const known = Boolean(kept && kept.verdict && revealing.input.checked);
  for (const {side, pane, title} of panes) {
    const model = known ? (kept.left === "tuned") === (side === "left") ? "tuned" : "base" : null;
    title.textContent = model ? t[model] : `${t.first} ${side === "left" ? "A" : "B"}`;
    pane.dataset.model = model || "";
    pane.classList.toggle("chosen", Boolean(kept) && kept.choice === side);
  }
  if (kept && kept.verdict) revealedText.textContent = `${t.you_chose}: ${known ? verdictText(kept.verdict) : t[kept.choice]}`;
  for (const chip of tags.children) chip.setAttribute("aria-pressed", chip.dataset.tag === tag);
}

const verdictText = (verdict) => now.result.bars.find((bar) => bar.verdict === verdict).label;

function drawOutcome(result) {
  if (outcome.dataset.seen !== `${now.review}/${now.done}`) {  // unasked, the result would colour the votes to come
    outcome.dataset.seen = `${now.review}/${now.done}`;
    outcome.open = now.done;
  }
  verdict.textContent = result.verdict;
  const total = Math.max(1, result.votes);
  stack.replaceChildren(); legend.replaceChildren(); facts.replaceChildren();
  for (const {verdict, count, label} of result.bars) {
    const piece = make("i", verdict, undefined, stack);
    piece.style.flexGrow = count / total;
    const line = make("li", verdict, undefined, legend);
    make("i", verdict, undefined, line);
    make("span", "", label, line);
    make("b", "", String(count), line);
  }
  ruler.hidden = result.rate === null;
  range.style.left = `${100 * result.interval[0]}%`;
  range.style.width = `${100 * (result.interval[1] - result.interval[0])}%`;
  point.style.left = `${100 * (result.rate || 0)}%`;
  for (const [label, value] of result.facts) {
    const cell = make("div", "", undefined, facts);
    make("dt", "", label, cell);
    make("dd", "", value, cell);
  }
  root.dataset.votes = result.votes;
  for (const node of Object.values(files)) node.disabled = !result.votes;
  trainOn.disabled = openIn.disabled = files.preference.disabled = !result.preferences;
}

// ---- what the person does ----------------------------------------------------------------------------------------
runs.input.onchange = () => { run = runs.input.value; review = ""; kept = null; beginning = false; look(); };
reviews.input.onchange = () => { review = reviews.input.value; kept = null; look(); };
name.input.onchange = () => {
  reviewer = name.input.value.trim().replace(/\s+/g, " ") || reviewer;
  store(REVIEWER, reviewer);
  kept = null;
  look();
};
revealing.input.onchange = () => { store(REVEAL, revealing.input.checked); draw(); };
document.addEventListener("compositionstart", () => { composing = true; });
document.addEventListener("compositionend", () => { composing = false; });
document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !visible() || composing || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const at = event.target;
  if (at.closest && at.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]")) return;
  if (event.key.startsWith("Arrow") && at.closest && at.closest("[role=tablist]")) return;  // there they change the tab
  const choice = KEYS[event.key];
  if (choice && !desk.hidden && !pair.hidden && !kept) {
    event.preventDefault();
    vote(choice);
  } else if (event.key === "Enter" && !revealed.hidden && at !== next && !(at.closest && at.closest("button"))) {
    event.preventDefault();
    next.click();
  }
});
document.addEventListener("visibilitychange", () => { if (visible()) look(); });
new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) look(); }).observe(root);
watch("value", () => {
  if (props.value && props.value !== run) { run = props.value; review = ""; kept = null; beginning = false; look(); }
});
if (props.value) run = props.value;
look();
