// Another run beside this one: how well they agree, its groups as columns, and the points on its map.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import type { ComparedFacts } from "../data/types";
import { t } from "../i18n/translate";
import { GROUP } from "../model/columns";
import { CHANGED, changeColumn, otherGroupColumn } from "../model/compared-columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { TwoMaps } from "../model/two-maps";
import { button, h } from "../page/dom";

const STEPS = 100; // of the slider

export class ComparedMap {
  /** Measures, colours and filters; a part of the panel. */
  readonly element: HTMLElement;
  /** Moves the points from one map to the other; it lies over the map. */
  readonly bar: HTMLElement;
  /** The map of the run is about to be left. */
  readonly starting = new Signal();
  /** The points rest on another map than before. */
  readonly changed = new Signal();
  /** Null until the places are loaded. */
  maps: TwoMaps | null = null;
  private readonly slider: HTMLInputElement;
  private readonly ends: HTMLButtonElement[];
  private readonly filterButton: HTMLButtonElement;
  private readonly selectButton: HTMLButtonElement;
  private readonly colorButtons: HTMLButtonElement[];
  private readonly status = h("p", { class: "hint", role: "status" });
  private colorBefore = GROUP;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly facts: ComparedFacts,
    private readonly colorBy: (name: string) => void,
  ) {
    const { name, columns } = facts;
    const colorButton = (column: string, text: string): HTMLButtonElement =>
      button(text, () => this.toggleColors(column), { class: "small", "data-color": column, "aria-pressed": "false" });
    this.filterButton = button(t("onlyChanged"), () => this.toggleFilter(), { class: "small", "data-act": "only-changed", "aria-pressed": "false" });
    this.selectButton = button(t("selectChanged"), () => this.selectChanged(), { class: "small", "data-act": "select-changed" });
    this.colorButtons = [colorButton(columns.changed, t("colorByChange")), colorButton(columns.group, t("colorByItsGroups"))];
    this.element = h(
      "section",
      { class: "compared", "aria-label": t("comparedWith", { run: name }) },
      h("h2", { text: t("comparedWith", { run: name }) }),
      h("p", { text: this.changedText }),
      h("div", { class: "buttons" }, ...this.buttons),
      ...this.notes.map((text) => h("p", { class: "hint", text })),
      this.status,
    );
    this.slider = h("input", { type: "range", min: 0, max: STEPS, value: 0, "aria-label": t("betweenMaps", { run: name }), disabled: true });
    this.slider.addEventListener("input", () => this.maps?.drag(this.slider.valueAsNumber / STEPS));
    this.ends = ([[0, t("thisRun")], [1, name]] as const).map(([end, text]) =>
      button(text, () => this.maps?.moveTo(end), { "data-map": end, "aria-pressed": String(end === 0), title: text, disabled: true }),
    );
    this.bar = h("section", { class: "two-maps", "aria-label": t("whichMap") }, this.ends[0], this.slider, this.ends[1]);
    for (const one of this.buttons) one.disabled = true;
    model.filterChanged.on(() => this.update());
    model.colorsChanged.on(() => this.update());
  }

  private get buttons(): HTMLButtonElement[] {
    return [this.filterButton, this.selectButton, ...this.colorButtons];
  }

  /** Load the places and groups of the other run; without them, the controls stay disabled. */
  async load(): Promise<void> {
    const { model, server, facts } = this;
    try {
      const column = await server.table(server.versioned(`/api/compared/${facts.key}`));
      const slots = model.edits.groups.map((one) => model.slotOf(one.number));
      model.addColumn(otherGroupColumn(facts, (group) => model.slotOf(group), slots), column("group") as Int32Array);
      model.addColumn(changeColumn(facts), Int32Array.from(column("changed") as Int8Array));
      this.connect(new TwoMaps(model, column("x") as Float32Array, column("y") as Float32Array));
    } catch (error) {
      this.status.textContent = errorMessage(error);
    }
  }

  private connect(maps: TwoMaps): void {
    this.maps = maps;
    maps.starting.on(() => this.starting.emit());
    maps.rested.on(() => this.changed.emit());
    maps.moved.on(() => this.showPlace());
    for (const one of [...this.ends, this.slider]) one.disabled = false;
    for (const one of this.colorButtons) one.disabled = false;
    for (const one of [this.filterButton, this.selectButton]) one.disabled = this.facts.measures.nChanged === 0;
    this.update();
  }

  get isShown(): boolean {
    return this.maps?.isShown ?? false;
  }

  /** Return to the map of the run at once. */
  back(): void {
    this.maps?.back();
  }

  private showPlace(): void {
    const { at } = this.maps!;
    this.slider.value = String(Math.round(STEPS * at));
    this.ends.forEach((one, end) => one.setAttribute("aria-pressed", String(at === end)));
  }

  // ------------------------------------------------------------ texts

  private get changedText(): string {
    const { nChanged, nCommon } = this.facts.measures;
    return t("comparedChanged", { n: nChanged, total: nCommon, percent: ((100 * nChanged) / nCommon).toFixed(1) });
  }

  /** How well the runs agree, which images are in one only, and how they were compared. */
  private get notes(): string[] {
    const { name: run, matchedBy, measures } = this.facts;
    const { ari, nmi, sharedNeighbors, sharedOnMap, nAbsent, nOnlyOther } = measures;
    const number = (value: number | null): string => (value === null ? "–" : value.toFixed(2));
    const percent = (value: number | null): string => (value === null ? "–" : (100 * value).toFixed(0));
    return [
      t("comparedMeasures", { ari: number(ari), nmi: number(nmi), graph: percent(sharedNeighbors), map: percent(sharedOnMap) }),
      ...(nAbsent ? [t("comparedAbsent", { n: nAbsent, run })] : []),
      ...(nOnlyOther ? [t("comparedOnly", { n: nOnlyOther, run })] : []),
      t("comparedHow", { run, how: t(`matchedBy_${matchedBy}`) }),
    ];
  }

  // ------------------------------------------------------------ colours, filter and selection

  private toggleColors(column: string): void {
    const { colorBy } = this.model;
    if (colorBy === column) return this.colorBy(this.colorBefore);
    if (!Object.values(this.facts.columns).includes(colorBy)) this.colorBefore = colorBy;
    this.colorBy(column);
  }

  private get isFiltered(): boolean {
    const filter = this.model.filters.get(this.facts.columns.changed);
    return filter !== undefined && "only" in filter && filter.only.join() === CHANGED;
  }

  private toggleFilter(): void {
    void this.model.setFilter(this.facts.columns.changed, this.isFiltered ? null : { only: [CHANGED] });
  }

  private selectChanged(): void {
    const { model } = this;
    const changed = model.loaded(this.facts.columns.changed)!;
    const rows: number[] = [];
    for (let row = 0; row < model.n; row++) if (changed[row] === 1) rows.push(row);
    model.select(rows);
  }

  private update(): void {
    this.filterButton.setAttribute("aria-pressed", String(this.isFiltered));
    for (const one of this.colorButtons) one.setAttribute("aria-pressed", String(one.dataset.color === this.model.colorBy));
  }
}
