// Opens the page: from a server, or from what was saved with it.

import "./style.css";
import { App } from "./app";
import { ConnectionBanner, entrance, takeToken, watchAddress } from "./connection";
import { h } from "./dom";
import { sentence } from "./edits";
import { setLanguage, t } from "./i18n";
import { Model } from "./model";
import { firstLanguage, firstTheme } from "./remembered";
import { Refusal, Saved, Server, type Source } from "./source";
import type { EditedColumns, Facts, Points } from "./types";
import { readView } from "./view";

async function main(): Promise<void> {
  const view = readView(location.hash);
  setLanguage(firstLanguage(view.language));
  document.documentElement.dataset.theme = firstTheme(view.theme);
  const embedded = document.getElementById("embedded");
  const loading = h("p", { class: "loading", role: "status", text: t("loading") });
  document.body.replaceChildren(loading);
  if (embedded) return open(new Saved(embedded), loading);
  watchAddress();
  const token = takeToken();
  if (!token) return document.body.replaceChildren(entrance(false));
  return open(new Server(token), loading);
}

async function open(source: Source, loading: HTMLElement): Promise<void> {
  try {
    const { facts, points, edited } = await loadTogether(source);
    document.title = `${facts.name} · latentmap`;
    const app = new App(new Model(source, facts, points, edited), source, source.live);
    Object.assign(window, { latentmap: app });
    await app.begin();
    if (source instanceof Server) new ConnectionBanner(source);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) {
      document.body.replaceChildren(entrance(true));
      return;
    }
    loading.textContent = error instanceof Error && error.message === "WebGL 2" ? t("noWebgl") : sentence(error);
    document.body.replaceChildren(loading);
    throw error;
  }
}

/** What the map is made of, all of one version of the run: it may change while it is read. */
async function loadTogether(source: Source, tries = 3): Promise<{ facts: Facts; points: Points; edited: EditedColumns }> {
  const facts = await source.facts();
  try {
    const [points, edited] = await Promise.all([source.points(), source.edited()]);
    return { facts, points, edited };
  } catch (error) {
    if (error instanceof Refusal && error.status === 409 && tries > 1) return loadTogether(source, tries - 1);
    throw error;
  }
}

void main();
