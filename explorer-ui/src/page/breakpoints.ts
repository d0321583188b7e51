// Widths of the page at which its layout changes; as in narrow.css.

/** A narrow page has a drawer, a bottom sheet and the tools in the menu. */
export const NARROW = "(max-width: 900px)";
/** On a phone both panels are sheets, and there is room for little else. */
export const PHONE = "(max-width: 560px)";
