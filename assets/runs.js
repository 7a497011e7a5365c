// The table of runs, asked for while it can be seen. Stands behind parts.js.
const POLL_MS = 3000;
const SVG = "http://www.w3.org/2000/svg";
let chosen = new Set(), shown = "", words = "";

const find = make("input", "find", undefined, root);
find.type = "search";
const scroller = make("div", "scroller", undefined, root);
const table = make("table", "", undefined, scroller);
const rules = make("div", "rules", undefined, root);
const nothing = make("p", "nothing", "", root);
nothing.hidden = true;

function spark(losses, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 80 20");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  if (losses.length > 1) {
    const low = Math.min(...losses), span = Math.max(...losses) - low || 1;
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", losses.map((loss, i) =>
      `${(i * 78 / (losses.length - 1) + 1).toFixed(1)},${(18 - (loss - low) / span * 16).toFixed(1)}`).join(" "));
    svg.appendChild(line);
  }
  return svg;
}

const tell = () => trigger("choose", {runs: [...chosen]});

function drawRules(found) {
  const focus = document.activeElement?.dataset?.rule;
  rules.replaceChildren();
  found.forEach((rule) => {
    const label = make("label", "", undefined, rules);
    const box = make("input", "", undefined, label);
    box.type = "checkbox";
    box.checked = rule.on;
    box.dataset.rule = rule.name;
    box.onchange = async () => { await ask("rules", {[rule.name]: box.checked}); look(); };
    make("span", "", rule.text, label);
    if (rule.name === focus) box.focus();
  });
}

function draw(now) {
  const text = JSON.stringify(now);
  if (text === shown) return;
  shown = text;
  drawRules(now.rules);
  find.placeholder = find.ariaLabel = now.texts.find;
  nothing.textContent = now.rows.length ? "" : now.texts.nothing;
  nothing.hidden = Boolean(now.rows.length);
  table.hidden = !now.rows.length;
  const focus = document.activeElement?.dataset?.run;
  table.replaceChildren();
  const head = make("tr", "", undefined, make("thead", "", undefined, table));
  make("th", "", "", head).ariaLabel = now.texts.choose;
  now.texts.columns.forEach((name) => { make("th", "", name, head).scope = "col"; });
  const body = make("tbody", "", undefined, table);
  now.rows.forEach((row) => {
    const line = make("tr", chosen.has(row.run) ? "chosen" : "", undefined, body);
    const box = make("input", "", undefined, make("td", "", undefined, line));
    box.type = "checkbox";
    box.checked = chosen.has(row.run);
    box.dataset.run = row.run;
    box.setAttribute("aria-label", `${now.texts.choose}: ${row.name}`);
    box.onchange = () => {
      box.checked ? chosen.add(row.run) : chosen.delete(row.run);
      line.classList.toggle("chosen", box.checked);
      tell();
    };
    line.onclick = (event) => {
      if (event.target === box) return;
      chosen = new Set([row.run]);
      body.querySelectorAll("input").forEach((other) => {
        other.checked = other === box;
        other.closest("tr").classList.toggle("chosen", other === box);
      });
      tell();
    };
    const name = make("td", "name", row.name, line);
    name.title = row.run;
    const tags = make("div", "tags", undefined, name);
    row.tags.forEach((tag) => make("span", "tag", tag, tags));
    if (row.note) make("div", "note", row.note, name);
    const state = make("td", `state ${row.state}`, row.state_text, line);
    for (const [name, sign, by] of [["sooner", "↑", -1], ["later", "↓", 1]]) {
      if (!row.moves[name]) continue;
      const button = make("button", "move", sign, state);
      button.setAttribute("aria-label", row.moves[name]);
      button.title = row.moves[name];
      button.onclick = async (event) => { event.stopPropagation(); await ask("move", {run: row.run, by}); look(); };
    }
    make("td", "", undefined, line).appendChild(spark(row.losses, row.curve));
    row.cells.forEach((cell) => make("td", "number", cell, line));
    if (row.run === focus) box.focus();
  });
}

const look = every(POLL_MS, async () => {
  if (!element.offsetParent) return;
  const asked = words, now = await ask("table", {words});
  const here = new Set(now.rows.map((row) => row.run));
  const gone = [...chosen].filter((run) => !here.has(run));
  if (gone.length && !asked) { gone.forEach((run) => chosen.delete(run)); tell(); }
  draw(now);
});
let pause = null;
find.oninput = () => { words = find.value; clearTimeout(pause); pause = setTimeout(look, 250); };
watch("value", look);
