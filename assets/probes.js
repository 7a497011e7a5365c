// Answers along the run. Stands behind parts.js.
const PERIOD_MS = 2500, PLAY_MS = 1200;

let run = null, size = null, data = null, at = null, follow = true, playing = null;
let wanted = null;  // a step to go to as soon as there are answers
const panel = make("section", "panel", undefined, root);
const head = make("header", "", undefined, panel);
const title = make("h3", "", "", head);
const controls = make("div", "controls", undefined, head);
const play = make("button", "play", "", controls);
play.type = "button";
const wrap = make("label", "slider", undefined, controls);
const caption = make("span", "", "", wrap);
const slider = make("input", "", undefined, wrap);
Object.assign(slider, {type: "range", min: 0, step: 1});
const list = make("div", "answers", undefined, panel);
panel.hidden = true;

const later = () => data.steps.filter((each) => each.step > 0);

function draw() {
  const steps = data ? later() : [];
  panel.hidden = !data || !data.steps.length;
  if (panel.hidden) return;
  const texts = data.texts;
  title.textContent = texts.title;
  play.textContent = playing ? "❚❚" : "▶";
  play.setAttribute("aria-label", texts.play);
  controls.hidden = steps.length < 1;
  slider.max = Math.max(0, steps.length - 1);
  if (follow || at === null || at >= steps.length) at = steps.length - 1;
  slider.value = at;
  const shown = steps[at], base = data.steps.find((each) => each.step === 0);
  caption.textContent = shown ? shown.name : "";
  slider.setAttribute("aria-label", texts.slider);
  slider.setAttribute("aria-valuetext", caption.textContent);
  wrap.title = texts.slider;
  root.dataset.step = shown ? shown.step : 0;
  list.replaceChildren();
  for (const [index, prompt] of Object.entries(data.prompts)) {
    const item = make("article", "", undefined, list);
    make("div", "asked", prompt, item).dir = "auto";
    const two = make("div", "two", undefined, item);
    for (const [name, each] of [[texts.base, base], [shown ? shown.name : "", shown]]) {
      if (!name) continue;
      const cell = make("section", "", undefined, two);
      make("h4", "", name, cell);
      make("div", "text", each && each.answers[index] !== undefined ? each.answers[index] : texts.unanswered, cell).dir = "auto";
    }
  }
}

function stop() { clearInterval(playing); playing = null; }
slider.oninput = () => { stop(); at = Number(slider.value); follow = at === later().length - 1; draw(); };
play.onclick = () => {
  if (playing) { stop(); draw(); return; }
  follow = false;
  at = 0;
  playing = setInterval(() => {
    if (at >= later().length - 1) { stop(); follow = true; } else at++;
    draw();
  }, PLAY_MS);
  draw();
};

function goTo(step) {
  const steps = data ? later() : [];
  if (step === null || !steps.length) return;
  wanted = null;
  const distance = (index) => Math.abs(steps[index].step - step);
  at = steps.reduce((best, _, index) => distance(index) < distance(best) ? index : best, 0);
  follow = false;
  stop();
  draw();
}

const again = every(PERIOD_MS, async () => {
  if (!run || !(root.offsetParent || data === null)) return;
  const asked = run, answer = await ask("answers", {run, size});
  if (!answer || asked !== run || answer.size === size) return;
  size = answer.size;
  data = answer.steps.length ? answer : null;
  draw();
  goTo(wanted);
});

function moved() {
  const place = JSON.parse(props.value || "{}");
  wanted = place.step ?? null;
  if (place.run === run) return goTo(wanted);
  run = place.run || null; size = null; data = null; at = null; follow = true;
  stop();
  draw();
  again();
}
watch("value", moved);
moved();
