// One row, corrected as turns and texts, or as JSON. Stands behind parts.js.
const ROLES = ["system", "user", "assistant", "tool"];
let item = {}, texts = {}, drawn = null, raw = false;
const head = make("div", "views", undefined, root);
head.setAttribute("role", "group");
const asTurns = make("button", "as-turns", "", head);
const asJson = make("button", "as-json", "", head);
const fault = make("p", "fault", "", root);
fault.setAttribute("role", "alert");
const form = make("div", "fields", undefined, root);
const json = make("textarea", "json", undefined, root);
json.spellcheck = false;
const acts = make("div", "acts", undefined, root);
const save = make("button", "save", "", acts);
const add = make("button", "add", "", acts);
for (const part of [head, form, json, acts]) part.hidden = true;  // until there is a row

const isTurns = (value) => Array.isArray(value) && value.every((one) => one && typeof one === "object");
const grow = (area) => { area.style.height = "auto"; area.style.height = `${Math.min(area.scrollHeight + 2, 420)}px`; };

function area(parent, label, value, change) {
  const box = make("textarea", "", undefined, parent);
  box.value = value;
  box.rows = 1;
  box.setAttribute("aria-label", label);
  box.oninput = () => { change(box.value); grow(box); };
  return box;
}

function turns(parent, list, redraw) {
  list.forEach((turn, at) => {
    const row = make("div", "said", undefined, parent);
    const role = make("select", "", undefined, row);
    for (const name of ROLES) make("option", "", texts[`role_${name}`], role).value = name;
    role.value = turn.role;
    role.setAttribute("aria-label", `${texts.role} ${at + 1}`);
    role.onchange = () => { turn.role = role.value; };
    area(row, `${texts.text} ${at + 1}`, turn.content, (text) => { turn.content = text; });
    const remove = make("button", "remove", "×", row);
    remove.title = texts.remove;
    remove.setAttribute("aria-label", `${texts.remove} ${at + 1}`);
    remove.onclick = () => { list.splice(at, 1); redraw(); };
  });
  const more = make("button", "more", texts.more, parent);
  more.onclick = () => {
    const last = list[list.length - 1];
    list.push({role: last && last.role === "user" ? "assistant" : "user", content: ""});
    redraw();
    const boxes = parent.querySelectorAll("textarea");
    boxes[boxes.length - 1].focus();
  };
}

function field(parent, name, value, redraw) {
  if (name === "messages" || name === "prompt") return turns(parent, value, redraw);
  const line = make("label", "field", undefined, parent);
  make("span", "", name, line);
  if (typeof value === "boolean") {
    const tick = make("input", "", undefined, line);
    tick.type = "checkbox";
    tick.checked = value;
    tick.onchange = () => { item[name] = tick.checked; };
  } else if (typeof value === "number" || value === null) {
    const number = make("input", "", undefined, line);
    number.type = "number";
    number.step = "any";
    number.value = value === null ? "" : value;
    number.oninput = () => { item[name] = number.value === "" ? null : Number(number.value); };
  } else if (Array.isArray(value)) {  // one a line
    area(line, name, value.join("\n"), (text) => { item[name] = text === "" ? [] : text.split("\n"); });
  } else {
    area(line, name, value, (text) => { item[name] = text; });
  }
}

function draw() {
  form.replaceChildren();
  for (const [name, value] of Object.entries(item)) {
    if (name === "kind" || (name === "tools" && value === "")) continue;
    field(form, name, value, draw);
  }
  form.querySelectorAll("textarea").forEach(grow);
}

function view(wantsRaw) {
  if (raw && !wantsRaw) {
    try { item = JSON.parse(json.value); } catch (error) { fault.textContent = `${texts.json_fault} ${error.message}`; return; }
  }
  fault.textContent = "";
  raw = wantsRaw;
  asTurns.setAttribute("aria-pressed", !raw);
  asJson.setAttribute("aria-pressed", raw);
  form.hidden = raw;
  json.hidden = !raw;
  if (raw) { json.value = JSON.stringify(item, null, 1); grow(json); } else draw();
}

asTurns.onclick = () => view(false);
asJson.onclick = () => view(true);
const written = () => ({item: raw ? json.value : JSON.stringify(item)});
save.onclick = () => trigger("save", written());
add.onclick = () => trigger("add_row", written());

function open() {
  if (!props.value || props.value === drawn) return;
  drawn = props.value;
  ({item, texts} = JSON.parse(drawn));
  head.hidden = acts.hidden = false;
  for (const [button, name] of [[asTurns, "turns"], [asJson, "json"], [save, "save"], [add, "add"]]) button.textContent = texts[name];
  json.setAttribute("aria-label", texts.json);
  const before = raw;
  raw = false;
  view(before);
}
watch("value", open);
new IntersectionObserver(() => root.querySelectorAll("textarea").forEach(grow)).observe(root);  // hidden, none has a height
open();
