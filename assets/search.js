// A search: how it stands, its pictures, its trials. Stands behind parts.js.
const said = make("p", "said", "", root);
said.setAttribute("role", "status");
const figures = make("div", "figures", undefined, root);
const scroller = make("div", "scroller", undefined, root);
const table = make("table", "", undefined, scroller);
let version = null, drawn = [], search = null;

async function picture(figure) {
  const library = await plotly();
  const place = make("div", "figure", undefined, figures);
  await library.newPlot(place, figure.data, {...dressed(figure.layout), height: 320}, {responsive: true, displaylogo: false});
}

function rows(now) {
  table.replaceChildren();
  table.hidden = !now.rows.length;
  const head = make("tr", "", undefined, make("thead", "", undefined, table));
  now.columns.forEach((name) => { make("th", "", name, head).scope = "col"; });
  const body = make("tbody", "", undefined, table);
  now.rows.forEach((row) => {
    const line = make("tr", row.best ? "best" : "", undefined, body);
    row.cells.forEach((cell) => make("td", "", cell, line));
  });
}

async function draw() {
  figures.replaceChildren();
  for (const figure of drawn) await picture(figure);
}

const again = every(2000, async () => {
  if (!element.offsetParent) return 2000;
  const wanted = props.value || "";
  if (wanted !== search) { search = wanted; version = null; }
  const now = await ask("search", {search: wanted, version});
  if (said.textContent !== now.said) said.textContent = now.said;
  rows(now);
  if (now.figures) { drawn = now.figures; version = now.version; await draw(); }
  return now.live ? 2000 : IDLE_MS;
});
watch("value", again);
window.addEventListener("chatgui-theme", draw);
