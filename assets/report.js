// The report on the data. Stands behind parts.js.
let asked = null, drawn = null, begin = false, settled = false;
const head = make("div", "head", undefined, root);
const text = make("p", "text", "", head);
text.setAttribute("role", "status");
const bar = make("div", "bar", undefined, head);
bar.setAttribute("role", "progressbar");
const fill = make("i", "", undefined, bar);
const stop = make("button", "stop", "", head);
const again = make("button", "again", "", head);
const chart = make("div", "chart", undefined, root);
const bars = make("div", "rows", undefined, root);
const body = make("div", "body", undefined, root);
let texts = {}, plotted = false;
for (const node of [stop, again, chart, bars]) node.hidden = true;

stop.onclick = async () => { await ask("stop_report", {config: asked}); tick(); };
again.onclick = () => { begin = true; settled = false; tick(); };

async function show(box, query) {
  const answer = await ask("rows", {config: asked, ...query});
  box.hidden = false;
  box.replaceChildren();
  const cards = make("div", "", undefined, box);
  cards.innerHTML = answer.html;  // escaped by the server, which alone knows what is data
  const pager = make("div", "turn-page", undefined, box);
  for (const [name, step] of [["previous", -1], ["next", 1]]) {
    const button = make("button", "", texts[name], pager);
    const page = answer.page + step;
    button.disabled = page < 1 || page > answer.pages;
    button.onclick = () => show(box, {...query, page});
  }
  make("span", "", answer.note, pager);
  const hide = make("button", "hide", texts.hide, pager);
  hide.onclick = () => { box.hidden = true; };
}

body.onclick = async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.classList.contains("remedy")) {
    for (const other of button.parentNode.children) other.setAttribute("aria-pressed", other === button);
    trigger("remedy", {name: button.dataset.name, choice: button.dataset.choice});
  } else if (button.classList.contains("show")) {
    const finding = button.closest(".finding");
    const box = finding.querySelector(".rows") || make("div", "rows", undefined, finding);
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", !open);
    button.textContent = open ? texts.show : texts.hide;
    if (open) box.hidden = true; else await show(box, {kind: finding.dataset.kind});
  }
};

async function draw(figure) {
  const library = await plotly();
  chart.hidden = false;
  const layout = {...dressed(figure.layout), height: 260};
  await library.react(chart, figure.data, layout, {responsive: true, displaylogo: false});
  if (!plotted) {
    chart.on("plotly_click", (event) => {
      const [start, stop] = event.points[0].customdata;
      show(bars, {start, stop});
    });
  }
  plotted = true;
}

new ResizeObserver(async () => {  // drawn while hidden it has a width of its own; shown, it takes what there is
  if (plotted && chart.clientWidth) (await plotly()).Plots.resize(chart);
}).observe(root);

window.addEventListener("chatgui-theme", async () => {
  if (plotted) (await plotly()).relayout(chart, {...dressed(chart.layout), height: 260});
});

const tick = every(400, async () => {
  const wanted = props.value || null;
  if (!wanted) return 400;
  if (wanted !== asked) { asked = wanted; settled = false; bars.hidden = true; }
  if (settled) return IDLE_MS;
  const now = await ask("report", {config: asked, again: begin});
  begin = false;
  if (asked !== (props.value || null)) return 1;
  texts = now.texts;
  root.dataset.state = now.state;
  text.textContent = now.text;
  stop.textContent = texts.stop;
  again.textContent = texts.again;
  stop.hidden = now.state !== "running";
  again.hidden = now.state !== "stopped" && now.state !== "failed";
  bar.hidden = now.state !== "running";
  head.hidden = now.state === "done";
  fill.style.width = `${100 * now.progress}%`;
  bar.setAttribute("aria-valuenow", Math.round(100 * now.progress));
  if (now.html !== undefined && now.html !== drawn) {
    const open = [...body.querySelectorAll('.finding:has(.show[aria-expanded="true"])')].map((one) => one.dataset.kind);
    body.innerHTML = drawn = now.html;
    for (const kind of open) {
      const button = body.querySelector(`.finding[data-kind="${kind}"] .show`);
      if (button) button.click();
    }
  }
  body.hidden = chart.hidden = now.html === undefined;
  if (now.figure) await draw(now.figure);
  settled = now.state !== "running";
  return settled ? IDLE_MS : 400;
});
watch("value", tick);
