// Opens the page: from a server, or from what was saved with it.

import "./style.css";
import { App } from "./app";
import { h } from "./dom";
import { sentence } from "./edits";
import { setLanguage, t, type Language } from "./i18n";
import { Model } from "./model";
import { Saved, Server, type Source } from "./source";
import { readView } from "./view";

/** The token of the address, which is then taken out of it and kept for this tab. */
function takeToken(): string {
  const query = new URLSearchParams(location.search);
  const given = query.get("token");
  try {
    if (given) {
      sessionStorage.setItem("token", given);
      query.delete("token");
      history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
    }
    return sessionStorage.getItem("token") ?? "";
  } catch {
    return given ?? ""; // a frame in a notebook has no storage; its address is not seen
  }
}

async function main(): Promise<void> {
  const view = readView(location.hash);
  const language = view.language ?? (navigator.language.startsWith("ko") ? "ko" : "en");
  setLanguage(language === "ko" ? "ko" : ("en" as Language));
  document.documentElement.dataset.theme = view.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const embedded = document.getElementById("embedded");
  const loading = h("p", { class: "loading", role: "status", text: t("loading") });
  document.body.replaceChildren(loading);
  const token = embedded ? "" : takeToken();
  const source: Source = embedded ? new Saved(embedded) : new Server(token);
  try {
    const facts = await source.facts();
    document.title = `${facts.name} · latentmap`;
    const [points, edited] = await Promise.all([source.points(), source.edited()]);
    const app = new App(new Model(source, facts, points, edited), source, Boolean(token));
    Object.assign(window, { latentmap: app });
    await app.begin();
  } catch (error) {
    loading.textContent = error instanceof Error && error.message === "WebGL 2" ? t("noWebgl") : sentence(error);
    document.body.replaceChildren(loading);
    throw error;
  }
}

void main();
