// The blind review: what the parts of review_parts.js show and do.
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
    [exportsTitle, "exports"], [trainOn, "train_on_votes"], [openIn, "open_dataset"]]) {
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
  if (kept && kept.verdict) revealedText.textContent = `${t.you_chose} ${known ? verdictText(kept.verdict) : t[kept.choice]}`;
  for (const chip of tags.children) chip.setAttribute("aria-pressed", chip.dataset.tag === tag);
}

const verdictText = (verdict) => now.result.bars.find((bar) => bar.verdict === verdict).label;

function drawOutcome(result) {
  if (outcome.dataset.seen !== `${now.review}/${now.done}`) {  // unasked, what is known would colour the votes to come
    outcome.dataset.seen = `${now.review}/${now.done}`;
    outcome.open = score.open = now.done;
  }
  outcomeTitle.textContent = now.done ? now.texts.result : now.texts.so_far;
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
