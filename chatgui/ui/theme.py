"""How the page looks, and the few lines of script that run before it is drawn."""

import json
from pathlib import Path

import gradio as gr

from chatgui.text import languages

ASSETS = Path(__file__).parents[2] / "assets"
STYLE = ASSETS / "style.css"
FONTS = ["system-ui", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"]
LANGUAGE_COOKIE = "chatgui_language"
GRADIO_NAMES = {"zh": "zh-CN"}
"""What Gradio calls a language whose own texts it brings under the tag of a region."""


def gradio_name(language: str) -> str:
    """The tag under which Gradio looks up texts of that language, its own and ours."""
    return GRADIO_NAMES.get(language, language)


KEEP_TAB = """<script>(() => {
  // The open tab stands in the address: a reload, and a server that comes back, find it again.
  const wanted = location.hash.slice(1);
  let shown = null;
  new MutationObserver(() => {
    const tabs = [...document.querySelectorAll("#tabs > .tab-wrapper [data-tab-id]")];
    const open = tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.dataset.tabId;
    if (!open || open === shown) return;
    if (shown === null && wanted && wanted !== open) {  // the tabs come one by one
      tabs.find((tab) => tab.dataset.tabId === wanted)?.click();
      return;
    }
    if (shown !== null) history.replaceState(history.state, "", "#" + open);
    shown = open;
  }).observe(document.documentElement, {subtree: true, childList: true, attributeFilter: ["aria-selected"]});
})();</script>"""


def head() -> str:
    """What runs before the page is drawn."""
    return _language_script() + KEEP_TAB


def _language_script() -> str:
    """Gives Gradio the language that the server reads as well: the one chosen on the page, else the first
    of the browser's that we have. Gradio compares whole tags, and would show zh-HK or plain zh in English.
    """
    tags = {language: gradio_name(language) for language in languages()}
    return f"""<script>(() => {{
  const tags = {json.dumps(tags)};
  const chosen = document.cookie.match(/(?:^|; ){LANGUAGE_COOKIE}=(\\w+)/);
  const asked = [chosen ? chosen[1] : "", ...navigator.languages].map((tag) => tag.split("-")[0].toLowerCase());
  const locale = tags[asked.find((language) => language in tags)];
  if (!locale) return;
  Object.defineProperty(navigator, "language", {{get: () => locale}});
  Object.defineProperty(navigator, "languages", {{get: () => [locale]}});
  document.documentElement.lang = locale;
}})();</script>"""


def theme() -> gr.themes.Base:
    """A calm theme of Gradio's own, with fonts that every system has and that hold Chinese."""
    return gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", radius_size="md", font=FONTS, font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="*neutral_50", body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400", block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400", block_title_text_weight="600", block_label_text_weight="600",
        block_label_background_fill="transparent", block_label_background_fill_dark="transparent",
        block_label_border_width="0", block_label_text_color="*body_text_color", block_label_text_size="*text_md",
        block_shadow="none", button_large_radius="*radius_md", button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700", button_primary_background_fill_dark="*primary_600",
        button_secondary_background_fill="*background_fill_primary",
        button_secondary_background_fill_dark="*neutral_800", button_border_width="1px",
        button_secondary_border_color="*neutral_300", button_secondary_border_color_dark="*neutral_600",
    )  # fmt: skip
