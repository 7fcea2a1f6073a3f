import { createTheme, Tooltip } from "@mantine/core";

const OVERLAY = { backgroundOpacity: 0.45 };
/** The top of a dialog is a <header>, which outside of a section would be the banner of the page. */
const NO_BANNER = { header: { role: "none" } };

/** Mantine's settings; its colours are in tokens.css. */
export const theme = createTheme({
  primaryColor: "indigo",
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--font-mono)",
  defaultRadius: "md",
  cursorType: "pointer",
  components: {
    // The scroll lock of dialogs writes a <style>, which the Content-Security-Policy forbids; base.css locks
    // instead. The components are named by string, because importing them would add them to every first load.
    Modal: {
      defaultProps: { lockScroll: false, centered: true, overlayProps: OVERLAY, attributes: NO_BANNER },
    },
    Drawer: {
      defaultProps: { lockScroll: false, position: "right", overlayProps: OVERLAY, attributes: NO_BANNER },
    },
    Tooltip: Tooltip.extend({
      defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: true } },
    }),
  },
});
