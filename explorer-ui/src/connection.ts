// The token of the explorer, and what the page says when the explorer does not take it or does not answer.

import "./connection.css";
import { button, h } from "./dom";
import { t } from "./i18n";
import type { Server } from "./source";

const RETRY_EVERY = 3000; // milliseconds

/** One explorer has one key, also where a proxy gives several explorers one origin. */
const key = (): string => `latentmap-token:${location.pathname}`;

let unsaved = ""; // a frame in a notebook may have no storage

function keep(token: string): void {
  unsaved = token;
  try {
    sessionStorage.setItem(key(), token);
  } catch {
    // this page has it all the same, until it is reloaded
  }
}

/** The token of the address, which is then taken out of it and kept for this tab. */
export function takeToken(): string {
  const values = new URLSearchParams(location.hash.replace(/^#/, ""));
  const given = values.get("token");
  if (given) {
    keep(given);
    values.delete("token");
    history.replaceState(null, "", `${location.pathname}${location.search}${values.size ? `#${values}` : ""}`);
  }
  try {
    return sessionStorage.getItem(key()) ?? unsaved;
  } catch {
    return unsaved;
  }
}

/** An address with a token that is opened in this tab changes only its part after "#", which reloads nothing. */
export function watchAddress(): void {
  addEventListener("hashchange", () => {
    if (!new URLSearchParams(location.hash.replace(/^#/, "")).get("token")) return;
    takeToken();
    location.reload();
  });
}

/** A form that takes the address that was printed, or its token alone. */
function tokenForm(): HTMLFormElement {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", "aria-label": t("tokenInput"), placeholder: "…/#token=…" });
  const form = h("form", {}, input, h("button", { type: "submit", text: t("tokenOpen") }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = /token=([\w-]+)/.exec(input.value)?.[1] ?? input.value.trim();
    if (!token) return;
    keep(token);
    location.reload();
  });
  return form;
}

/** What stands in place of the map while there is no token that the explorer takes. */
export function entrance(refused: boolean): HTMLElement {
  return h(
    "main",
    { class: "entrance", role: "alert" },
    h("h1", { text: t(refused ? "tokenRefused" : "tokenMissing") }),
    h("p", { text: t("tokenHow") }),
    tokenForm(),
  );
}

/** A line over the page while the explorer does not answer, or takes this page's token no longer. */
export class ConnectionBanner {
  private readonly element = h("div", { class: "connection", role: "alert", hidden: true });
  private timer = 0;

  constructor(private readonly server: Server) {
    document.body.append(this.element);
    server.statusChanged.on((status) => this.show(status));
  }

  private show(status: Server["status"]): void {
    clearTimeout(this.timer);
    this.element.hidden = status === "answering";
    if (status === "silent") {
      this.element.replaceChildren(t("noServer"), " ", button(t("tryAgain"), () => void this.retry()));
      this.timer = setTimeout(() => void this.retry(), RETRY_EVERY);
    } else if (status === "refusing") {
      this.element.replaceChildren(h("p", { text: `${t("tokenRefused")} ${t("tokenHow")}` }), tokenForm());
    }
  }

  private async retry(): Promise<void> {
    clearTimeout(this.timer);
    await this.server.ping();
    if (this.server.status === "silent") this.timer = setTimeout(() => void this.retry(), RETRY_EVERY);
  }
}
