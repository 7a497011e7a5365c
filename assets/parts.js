// What every moving part of the page begins with; the script of the part stands behind it. Gradio gives: element, props,
// trigger, watch, server; `settings` stands above.
const root = element.querySelector(`.${settings.name}`) || element;
const IDLE_MS = 5000;

function make(tag, className, text, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;  // text from data and models is only ever shown as text
  if (parent) parent.appendChild(node);
  return node;
}

function every(period, tick) {
  // One call at a time, and another at once when asked for meanwhile; silent while the page is hidden; ends with the
  // element.
  let timer = null, busy = false, asked = false;
  async function run() {
    clearTimeout(timer);
    if (!root.isConnected && !element.isConnected) return;
    if (busy) { asked = true; return; }
    let pause = period;
    if (document.visibilityState === "visible") {
      busy = true;
      try { pause = (await tick()) || period; }
      catch (error) { pause = IDLE_MS; document.body.classList.add("offline"); }
      busy = false;
      if (asked) { asked = false; pause = 1; }
    }
    clearTimeout(timer);
    timer = setTimeout(run, pause);
  }
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") run(); });
  run();
  return run;
}

async function ask(name, query) {
  const answer = await server[name](query);
  document.body.classList.remove("offline");
  return answer;
}

function plotly() {
  if (!window.chatguiPlotly) {
    window.chatguiPlotly = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const base = (window.gradio_config && window.gradio_config.root) || "";
      script.src = `${base}/gradio_api/file=${settings.plotly}`;
      script.onload = () => resolve(window.Plotly);
      script.onerror = reject;
      document.head.appendChild(script);
    });
  }
  return window.chatguiPlotly;
}

function looks() {
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  const grid = colour("--border-color-primary");
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: 340,
    font: {color: colour("--body-text-color"), family: style.fontFamily, size: 13},
    xaxis: {gridcolor: grid, zerolinecolor: grid}, yaxis: {gridcolor: grid, zerolinecolor: grid},
    hoverlabel: {bgcolor: colour("--background-fill-primary"), font: {color: colour("--body-text-color")}},
  };
}

function dressed(layout) {
  const look = looks();
  return {...layout, ...look, xaxis: {...layout.xaxis, ...look.xaxis}, yaxis: {...layout.yaxis, ...look.yaxis}};
}
