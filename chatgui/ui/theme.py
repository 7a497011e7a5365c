"""How the page looks, and the few lines of script that run before it is drawn."""

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).parents[2] / "assets"
STYLE = ASSETS / "style.css"
FONTS = ["system-ui", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"]
LANGUAGE_COOKIE = "chatgui_language"

HEAD = f"""<script>(() => {{
  // A language chosen on the page outweighs the browser's; Gradio and the server then read the same choice.
  const chosen = document.cookie.match(/(?:^|; ){LANGUAGE_COOKIE}=(\\w+)/);
  if (!chosen) return;
  const locale = chosen[1] === "zh" ? "zh-CN" : chosen[1];
  Object.defineProperty(navigator, "language", {{get: () => locale}});
  Object.defineProperty(navigator, "languages", {{get: () => [locale]}});
  document.documentElement.lang = locale;
}})();</script>"""


def theme() -> gr.themes.Base:
    """A calm theme of Gradio's own, with fonts that every system has and that hold Chinese."""
    return gr.themes.Soft(
        primary_hue="blue", neutral_hue="slate", radius_size="md", font=FONTS, font_mono=["ui-monospace", "monospace"],
    ).set(
        block_title_background_fill="transparent", block_title_padding="0", block_title_text_color="*body_text_color",
        block_title_text_weight="600", body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500", block_info_text_color_dark="*neutral_400", button_large_radius="*radius_md",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", block_shadow="none",
    )  # fmt: skip
