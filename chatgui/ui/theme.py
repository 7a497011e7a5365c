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
