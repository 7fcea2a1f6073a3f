import { createTheme, Drawer, Modal, Tooltip } from "@mantine/core";

/** Mantine's settings; its colours are in tokens.css. */
export const theme = createTheme({
  primaryColor: "indigo",
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--font-mono)",
  defaultRadius: "md",
  cursorType: "pointer",
  components: {
    // Their scroll lock writes a <style>, which the Content-Security-Policy forbids; base.css locks instead.
    Modal: Modal.extend({
      defaultProps: { lockScroll: false, centered: true, overlayProps: { backgroundOpacity: 0.45 } },
    }),
    Drawer: Drawer.extend({
      defaultProps: { lockScroll: false, position: "right", overlayProps: { backgroundOpacity: 0.45 } },
    }),
    Tooltip: Tooltip.extend({
      defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: true } },
    }),
  },
});
