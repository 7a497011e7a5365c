// The status line: device and memory, the live run, language, light or dark. Stands behind parts.js.
const brand = make("strong", "brand", "ChatGUI", root);
const device = make("span", "device", "", root);
const run = make("button", "live-link", "", root);
const right = make("span", "right", undefined, root);
for (const [code, name] of [["en", "English"], ["zh", "中文"]]) {
  const button = make("button", "language", name, right);
  button.lang = code;
  const current = (navigator.language || "en").toLowerCase().startsWith(code);
  button.setAttribute("aria-pressed", current);
  button.onclick = () => {
    document.cookie = `${settings.cookie}=${code}; path=/; max-age=31536000; SameSite=Lax`;
    location.reload();
  };
}
const theme = make("button", "theme", "◐", right);
const stored = localStorage.getItem("chatgui_theme");
if (stored) document.body.classList.toggle("dark", stored === "dark");
theme.onclick = () => {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("chatgui_theme", dark ? "dark" : "light");
  window.dispatchEvent(new Event("chatgui-theme"));
};
run.onclick = () => trigger("open_run");
every(2000, async () => {
  const now = await ask("status", {});
  device.textContent = now.device;
  run.textContent = now.text;
  run.disabled = !now.run;
  run.classList.toggle("busy", Boolean(now.run));
  theme.title = now.theme;
  theme.setAttribute("aria-label", now.theme);
});
