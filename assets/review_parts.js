// The parts of the Review tab. Stands behind parts.js; scorecard.js and review.js stand behind it. A vote is written into
// the browser first and taken out when the server has it, so a reload, a killed server or a lost network loses none.
const PENDING = "chatgui_votes", REVIEWER = "chatgui_reviewer", REVEAL = "chatgui_reveal";
const KEYS = {1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", 3: "tie", 4: "both_bad"};
const SHOWN_KEYS = {left: "1 ←", right: "2 →", tie: "3", both_bad: "4"};
const MAKING_MS = 700, RETRY_MS = 1500;

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
