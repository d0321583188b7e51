// Images that are worth labelling next: they are chosen by the server, selected, and labelled one after the other.

import type { Editor } from "../data/editor";
import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";
import { thumbnail } from "./thumbnails";

const STRATEGIES = ["mixed", "typical", "coverage", "doubt"] as const;
const DEFAULT_NUMBER = 20;
const MAX_NUMBER = 10_000; // limit of the server
const MAX_NAME_LENGTH = 200;
const PICTURE_SIDE = 96; // pixels

export class ChooseImages {
  readonly element: HTMLElement;
  private readonly number = h("input", { type: "number", min: 1, max: MAX_NUMBER, value: DEFAULT_NUMBER, "aria-label": t("chooseNumber") });
  private readonly strategy = h(
    "select",
    { "aria-label": t("chooseHow") },
    ...STRATEGIES.map((name) => h("option", { value: name, text: t(`choose_${name}`) })),
  );
  private readonly labelled = h("input", { type: "checkbox" });
  private readonly choose = button(t("chooseDo"), () => void this.ask(), { class: "choose-do" });
  /** The image that is labelled next. */
  private readonly next = h("div", { class: "choose-next", "aria-live": "polite" });
  private ids: number[] = [];
  private place = 0;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly editor: Editor,
    private readonly open: (id: number, ids: number[]) => void,
    private readonly say: (text: string) => void,
  ) {
    this.element = h(
      "details",
      { class: "choose" },
      h("summary", { text: t("chooseToLabel") }),
      h("p", { class: "hint", text: t("chooseWhy") }),
      h("div", { class: "buttons" }, this.number, this.strategy, this.choose),
      h("label", { class: "check" }, this.labelled, t("chooseLabelled")),
      this.next,
    );
  }

  private async ask(): Promise<void> {
    this.choose.disabled = true;
    try {
      const asked = { n: this.number.valueAsNumber, strategy: this.strategy.value, ignore_labels: this.labelled.checked };
      const found = (await (await this.server.post("/api/select", asked)).json()) as { ids: number[] };
      [this.ids, this.place] = [found.ids, 0];
      this.model.select(found.ids.map((id) => this.model.rowOf[id]));
      this.show();
    } catch (error) {
      this.say(errorMessage(error));
    } finally {
      this.choose.disabled = false;
    }
  }

  private show(): void {
    const { ids, place, editor } = this;
    if (place >= ids.length) {
      this.next.replaceChildren(h("p", { class: "hint", text: t("chooseDone") }));
      return;
    }
    const id = ids[place];
    const input = h("input", { type: "text", maxlength: MAX_NAME_LENGTH, list: "labels", "aria-label": t("chooseLabel"), placeholder: t("chooseLabel") });
    const apply = (): void => {
      const label = input.value.trim();
      if (!label) return;
      void editor.send({ kind: "label", ids: [id], label });
      this.step();
    };
    input.addEventListener("keydown", (event) => event.key === "Enter" && apply());
    const title = t("chooseAt", { place: place + 1, n: ids.length });
    const picture = button("", () => this.open(id, ids), { class: "thumb", "aria-label": title });
    picture.append(thumbnail(this.model, id, PICTURE_SIDE, ""));
    this.next.replaceChildren(
      h("p", { class: "count", text: title }),
      picture,
      h("div", { class: "buttons label-form" }, input, button(t("chooseApply"), apply), button(t("chooseSkip"), () => this.step())),
    );
    input.focus();
  }

  private step(): void {
    this.place += 1;
    this.show();
  }
}
