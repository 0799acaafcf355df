"""The look that Gradio's own components get; assets/css/lepton.css does the rest."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

FONTS = ("Inter", "system-ui", "Segoe UI", "Noto Sans SC", "Noto Sans CJK SC", "PingFang SC",
         "Microsoft YaHei", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
BLUE = colors.Color("#eff6fb", "#dcebf6", "#bad8ee", "#8bbde1", "#569ccf", "#2a80bd", "#0a67a6",
                    "#07558b", "#084972", "#0b3d5e", "#072840", name="lepton-blue")
INK = colors.Color("#faf9f6", "#f3f1ec", "#e6e3dc", "#d0ccc3", "#a09c93", "#74716a", "#575550",
                   "#403f3b", "#292928", "#1b1c1d", "#131415", name="lepton-ink")

VALUES = {
    "body_background_fill": "*neutral_50", "body_background_fill_dark": "*neutral_950",
    "body_text_color": "*neutral_900", "body_text_color_dark": "#e9e7e2",
    "body_text_color_subdued": "#63605a", "body_text_color_subdued_dark": "#a9a59c",
    "background_fill_primary": "#ffffff", "background_fill_primary_dark": "*neutral_900",
    "background_fill_secondary": "*neutral_100", "background_fill_secondary_dark": "#202224",
    "border_color_primary": "*neutral_200", "border_color_primary_dark": "#34363a",
    "border_color_accent": "*primary_500", "border_color_accent_dark": "*primary_400",
    "color_accent_soft": "*primary_50", "color_accent_soft_dark": "*primary_950",
    "block_background_fill": "transparent", "block_background_fill_dark": "transparent",
    "block_border_width": "0px", "block_shadow": "none", "block_padding": "0px",
    "block_label_background_fill": "transparent", "block_label_background_fill_dark":
    "transparent", "block_label_border_width": "0px", "block_label_text_weight": "600",
    "block_label_shadow": "none", "block_title_text_weight": "600",
    "block_title_text_color": "*body_text_color", "block_title_text_color_dark":
    "*body_text_color", "layout_gap": "20px", "form_gap_width": "0px",
    "panel_background_fill": "transparent", "panel_background_fill_dark": "transparent",
    "input_background_fill": "#ffffff", "input_background_fill_dark": "*neutral_900",
    "input_border_width": "1px", "input_border_color": "*neutral_300",
    "input_border_color_dark": "#44474b", "input_border_color_focus": "*primary_500",
    "input_shadow_focus": "0 0 0 3px color-mix(in srgb, #2a80bd 25%, transparent)",
    "input_placeholder_color": "#7a776f", "input_placeholder_color_dark": "#8f8b83",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_500",
    "button_primary_text_color": "#ffffff", "button_primary_text_color_dark": "#ffffff",
    "button_primary_border_color": "transparent", "button_primary_shadow": "none",
    "button_secondary_background_fill": "transparent",
    "button_secondary_background_fill_dark": "transparent",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "#26282b",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "#44474b",
    "button_border_width": "1px", "button_transition": "background-color .15s ease",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_dark": "transparent",
    "link_text_color": "*primary_700", "link_text_color_dark": "*primary_300",
    "slider_color": "*primary_600", "slider_color_dark": "*primary_500",
}


def lepton_theme() -> gr.themes.Base:
    """Calm and typographic: paper and ink, one blue, hairlines instead of boxes."""
    theme = gr.themes.Base(
        primary_hue=BLUE, secondary_hue=BLUE, neutral_hue=INK, radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md, text_size=sizes.text_md, font=FONTS, font_mono=MONO)
    return theme.set(**VALUES)
