// The access token, and messages when the server rejects it or does not answer.

import type { Server, ServerStatus } from "../data/server";
import { t } from "../i18n/translate";
import { notebookOfPage } from "../widget/notebook";
import { button, h } from "./dom";

const RETRY_INTERVAL = 3000; // milliseconds

/** Each explorer has its own key, even if a proxy serves several under one origin. */
const key = (): string => `latentmap-token:${location.pathname}`;

let inMemory = ""; // without storage, as in a frame of a notebook

function store(token: string): void {
  inMemory = token;
  try {
    sessionStorage.setItem(key(), token);
  } catch {
    // the token is kept in memory until the page is reloaded
  }
}

/** The token of this tab. A token in the address is stored and removed from the address. */
export function takeToken(): string {
  const values = new URLSearchParams(location.hash.replace(/^#/, ""));
  const given = values.get("token");
  if (given) {
    store(given);
    values.delete("token");
    history.replaceState(null, "", `${location.pathname}${location.search}${values.size ? `#${values}` : ""}`);
  }
  try {
    return sessionStorage.getItem(key()) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Reload when an address with a token is opened in this tab: only its part after "#" changes. */
export function watchAddress(): void {
  addEventListener("hashchange", () => {
    if (!new URLSearchParams(location.hash.replace(/^#/, "")).get("token")) return;
    takeToken();
    location.reload();
  });
}

/** A form for the printed address, or its token alone. */
function tokenForm(): HTMLFormElement {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", "aria-label": t("tokenInput"), placeholder: "…/#token=…" });
  const form = h("form", {}, input, h("button", { type: "submit", text: t("tokenOpen") }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = /token=([\w-]+)/.exec(input.value)?.[1] ?? input.value.trim();
    if (!token) return;
    store(token);
    location.reload();
  });
  return form;
}

/** The page shown while there is no valid token. */
export function tokenPage(isRejected: boolean): HTMLElement {
  return h(
    "main",
    { class: "entrance", role: "alert" },
    h("h1", { text: t(isRejected ? "tokenRefused" : "tokenMissing") }),
    h("p", { text: t("tokenHow") }),
    tokenForm(),
  );
}

/** A banner while the server does not answer, or rejects the token. */
export class ConnectionBanner {
  private readonly element = h("div", { class: "connection", role: "alert", hidden: true });
  private timer = 0;

  constructor(private readonly server: Server) {
    document.body.append(this.element);
    server.statusChanged.on((status) => this.show(status));
  }

  private show(status: ServerStatus): void {
    clearTimeout(this.timer);
    this.element.hidden = status === "connected";
    if (status === "disconnected") {
      this.element.replaceChildren(t(notebookOfPage() ? "noKernel" : "noServer"), " ", button(t("tryAgain"), () => void this.retry()));
      this.timer = setTimeout(() => void this.retry(), RETRY_INTERVAL);
    } else if (status === "unauthorized") {
      this.element.replaceChildren(h("p", { text: `${t("tokenRefused")} ${t("tokenHow")}` }), tokenForm());
    }
  }

  private async retry(): Promise<void> {
    clearTimeout(this.timer);
    await this.server.ping();
    if (this.server.status === "disconnected") this.timer = setTimeout(() => void this.retry(), RETRY_INTERVAL);
  }
}
