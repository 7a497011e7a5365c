// The panel of a run: progress, chart, buttons, and the runs that wait. Stands behind parts.js.
const PERIOD_MS = 1000;
let shown = null, given = null, wasLive = false, plotted = false;
let others = [], metrics = "";  // other runs that may be laid over; what the task says besides the loss
let frame = null, texts = null, lines = {};  // what is drawn: the frame of the chart, and by run its newest points
const view = {axis: "step", lower: "learning_rate", ends: null, beside: [], log: false};
const empty = make("div", "empty", "", root);
const panel = make("section", "panel", undefined, root);
const head = make("header", "", undefined, panel);
const title = make("h3", "", "", head);
const state = make("span", "state", "", head);
state.setAttribute("role", "status");
const message = make("p", "message", "", panel);
const bar = make("div", "bar", undefined, panel);
bar.setAttribute("role", "progressbar");
const fill = make("i", "", undefined, bar);
const progress = make("p", "progress-text", "", panel);
const facts = make("dl", "facts", undefined, panel);
const controls = make("div", "controls", undefined, panel);
const chart = make("div", "chart", undefined, panel);
const hintList = make("ul", "hints", undefined, panel);
const notices = make("ul", "notices", undefined, panel);
const actions = make("div", "actions", undefined, panel);
const compare = make("button", "primary compare", "", actions);
const resume = make("button", "resume", "", actions);
const pause = make("button", "pause", "", actions);
const stop = make("button", "stop", "", actions);
const withdraw = make("button", "withdraw", "", actions);
const question = make("div", "question", undefined, actions);
const ending = make("span", "", "", question);
const keep = make("button", "keep", "", question);
const afterEpoch = make("button", "after-epoch", "", question);
const discard = make("button", "discard", "", question);
const goOn = make("button", "go-on", "", question);

const line = make("section", "queue", undefined, root);
const lineTitle = make("h4", "", "", line);
const waiting = make("ol", "", undefined, line);

for (const node of [panel, notices, hintList, compare, resume, pause, stop, withdraw, line]) node.hidden = true;  // until the first answer
compare.onclick = () => trigger("open_chat");
const confirm = (on) => { question.hidden = !on; stop.hidden = pause.hidden = on; if (on) keep.focus(); };
question.hidden = true;
stop.onclick = () => confirm(true);
goOn.onclick = () => confirm(false);
const request = (name, query) => async () => {
  const answer = await ask(name, {run: shown, ...query});
  confirm(false);
  if (answer.error) message.textContent = answer.error;
  else again();
};
keep.onclick = request("stop", {discard: false});
discard.onclick = request("stop", {discard: true});
afterEpoch.onclick = request("stop", {after_epoch: true});
pause.onclick = request("pause", {});
withdraw.onclick = request("withdraw", {});
resume.onclick = request("resume", {});

let queued = "";
function drawQueue(rows, title) {
  line.hidden = !rows.length;
  lineTitle.textContent = title;
  if (JSON.stringify(rows) === queued) return;  // what has the focus stays where it is
  queued = JSON.stringify(rows);
  const focus = document.activeElement?.dataset?.place;
  waiting.replaceChildren();
  rows.forEach((row, index) => {
    const item = make("li", "", undefined, waiting);
    make("span", "", row.title, item).title = row.run;
    const button = (name, sign, query, off) => {
      const node = make("button", name, sign, item);
      node.title = row[name];
      node.setAttribute("aria-label", row[name]);
      node.disabled = off;
      node.dataset.place = `${name} ${row.run}`;
      node.onclick = async () => {
        const answer = await ask(query.by ? "move" : "remove", {run: row.run, ...query});
        if (answer.error) message.textContent = answer.error;
        again();
      };
      if (node.dataset.place === focus) node.focus();
    };
    button("sooner", "↑", {by: -1}, index === 0);
    button("later", "↓", {by: 1}, index === rows.length - 1);
    button("remove", "✕", {}, false);
  });
}

// The first chart should not wait for its library: a page that has stood open for a while has it already.
setTimeout(() => plotly().catch(() => { window.chatguiPlotly = null; }), 3000);

function trace(run, part, rank) {
  // The chosen run has rank 0; the others wear their own colour, and a dash that tells them apart without it.
  const points = lines[run].lines[part], base = frame.lines[part];
  const one = {
    type: "scatter", hovertemplate: "%{y:.4~g}", legendgroup: run, ...base,
    x: points.x, y: points.y, customdata: points.step || points.x, meta: run,
  };
  if (part === "lower") one.name = frame.lowers[view.lower];
  if (!rank) return one;
  const colour = frame.colours[rank % frame.colours.length], dash = frame.dashes[rank % frame.dashes.length];
  const name = part === "validation" ? `${lines[run].title} (${frame.validation_short})` : lines[run].title;
  const look = {color: colour, dash: part === "validation" ? "dash" : dash, width: 1.75};
  return {...one, name, line: look, marker: {size: 6, symbol: "diamond-open"}};
}

function layout() {
  const look = looks(), own = frame.layout;
  const grid = {gridcolor: look.xaxis.gridcolor, zerolinecolor: look.xaxis.zerolinecolor};
  return {
    ...look, ...own, height: 400, uirevision: `${shown} ${view.axis}`,
    xaxis: {...own.xaxis, ...grid, title: {text: frame.axes[view.axis], standoff: 6}},
    yaxis: {...own.yaxis, ...grid, title: {text: frame.loss}, type: view.log ? "log" : "linear",
            uirevision: `${shown} ${view.axis} ${view.log}`},
    yaxis2: {...own.yaxis2, ...grid, uirevision: view.lower},
  };
}

async function draw() {
  const library = await plotly();
  if (!lines[shown]) return;
  const traces = ["raw", "smooth", "validation", "lower"].map((part) => trace(shown, part, 0));
  view.beside.filter((run) => lines[run]).forEach((run, index) => {
    for (const part of ["smooth", "validation", "lower"]) traces.push(trace(run, part, index + 1));
  });
  await library.react(chart, traces, layout(), {
    responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
  if (!plotted) {
    plotted = true;
    chart.on("plotly_click", (event) => {
      const point = event.points[0];
      trigger("choose_step", {run: point.data.meta, step: point.customdata});
    });
    chart.on("plotly_relayout", (change) => {  // closer in, the server has more points to give
      const ends = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (change["xaxis.autorange"]) view.ends = null;
      else if (ends[0] !== undefined) view.ends = [Number(ends[0]), Number(ends[1])];
      else return;
      again();
    });
  }
}

window.addEventListener("chatgui-theme", () => { if (plotted) draw(); });

function choice(title, options, value, changed) {
  const label = make("label", "", title, controls);
  const select = make("select", "", undefined, label);
  for (const [key, text] of Object.entries(options)) make("option", "", text, select).value = key;
  select.value = value;
  select.onchange = () => { changed(select.value); again(); };
  return select;
}

function tick(title, parent, on, changed) {
  const label = make("label", "", undefined, parent);
  const box = make("input", "", undefined, label);
  box.type = "checkbox";
  box.checked = on;
  make("span", "", title, label);
  box.onchange = () => changed(box.checked);
}

function drawControls() {
  controls.replaceChildren();
  choice(frame.x, frame.axes, view.axis, (value) => { view.axis = value; view.ends = null; }).className = "axis";
  choice(frame.strip, frame.lowers, view.lower, (value) => { view.lower = value; }).className = "lower";
  tick(frame.log, controls, view.log, (on) => { view.log = on; draw(); });
  view.beside = view.beside.filter((run) => others.some((other) => other.run === run));
  if (!others.length) return;
  const fold = make("details", "beside", undefined, controls);
  make("summary", "", frame.beside, fold);
  const list = make("div", "", undefined, fold);
  for (const other of others) {
    tick(other.title, list, view.beside.includes(other.run), (on) => {
      view.beside = view.beside.filter((run) => run !== other.run).concat(on ? [other.run] : []);
      if (on) again(); else { delete lines[other.run]; draw(); }
    });
  }
}

function list(node, texts) {
  node.replaceChildren();
  for (const text of texts) make("li", "", text, node);
  node.hidden = !node.children.length;
}

// The run to show, and those another tab wants laid over it.
const wish = () => (props.value || "").split(" ").map((run) => run || null);

const again = every(PERIOD_MS, async () => {
  const [wanted, ...beside] = wish();
  if (beside.join() !== given) { given = beside.join(); view.beside = beside; }
  if (wanted !== shown) {
    shown = wanted; lines = {}; wasLive = false; view.ends = null;
    view.beside = view.beside.filter((run) => run !== shown);
    facts.replaceChildren(); question.hidden = true;
  }
  const have = Object.fromEntries(Object.entries(lines).map(([run, line]) => [run, line.mark]));
  const {axis, lower, ends} = view;
  const asked = performance.now();
  const now = await ask("watch", {run: shown, axis, lower, ends, beside: view.beside, have});
  if (shown !== wish()[0]) return 1;  // another run was chosen while this answer was on its way
  if (now.texts) texts = now.texts;
  empty.textContent = now.gone ? texts.gone : texts.empty;
  drawQueue(now.queue, texts.queue);
  empty.hidden = Boolean(now.run);
  panel.hidden = !now.run;
  if (!now.run) return IDLE_MS;
  if (now.title) { title.textContent = now.title; title.title = now.run; }
  root.dataset.state = now.state;
  root.dataset.run = now.run;
  state.textContent = now.state_text;
  message.textContent = now.message;
  message.classList.toggle("failed", now.state === "failed" || now.state === "interrupted");
  fill.style.width = `${100 * now.progress}%`;
  bar.setAttribute("aria-valuenow", Math.round(100 * now.progress));
  if (now.progress_text || !now.live) progress.textContent = now.progress_text;
  if (now.facts.length) {
    facts.replaceChildren();
    for (const fact of now.facts) {
      const cell = make("div", "", undefined, facts);
      make("dt", "", fact.label, cell);
      make("dd", "", fact.value, cell);
    }
  }
  list(notices, now.notices);
  list(hintList, now.hints);
  compare.textContent = texts.compare;
  compare.hidden = !now.has_model;
  resume.textContent = texts.resume;
  resume.hidden = !now.resumable;
  pause.textContent = texts.pause;
  pause.hidden = !now.stoppable || !question.hidden;
  withdraw.textContent = texts.withdraw;
  withdraw.hidden = !now.withdrawable;
  afterEpoch.textContent = texts.after_epoch;
  afterEpoch.hidden = !now.epochs_left;
  stop.textContent = texts.stop;
  stop.hidden = !now.stoppable || !question.hidden;
  if (!now.stoppable) question.hidden = true;
  ending.textContent = texts.stop_question;
  keep.textContent = texts.keep;
  discard.textContent = texts.discard;
  goOn.textContent = texts.go_on;
  if (now.frame) { frame = now.frame; others = now.others; metrics = ""; drawControls(); }
  if (JSON.stringify(now.metrics) !== metrics) {  // a task names its own with its first step
    metrics = JSON.stringify(now.metrics);
    frame.lowers = {...frame.lowers, ...now.metrics};
    if (!frame.lowers[view.lower]) view.lower = "learning_rate";
    drawControls();
  }
  Object.assign(lines, now.curves);
  if (Object.keys(now.curves).length) {
    try { await draw(); }
    catch (error) { lines = {}; throw error; }  // a chart that could not be loaded is asked for again
    root.dataset.update = Math.round(performance.now() - asked);  // the benchmark reads it
  }
  if (wasLive && !now.live) trigger("ended");
  wasLive = now.live;
  if (now.live && !facts.children.length) return PERIOD_MS / 3;  // the first point is the one waited for
  return now.live ? PERIOD_MS : IDLE_MS;
});
watch("value", again);
