// The choices for an export for training: its kind, the classes and the parts.

import { t } from "../i18n/translate";
import { button, h } from "../page/dom";

const KINDS = ["imagefolder", "coco", "yolo"] as const;
const CLASSES = ["given", "label", "spread", "group"] as const;
const SPLITS = "train=0.8,val=0.1,test=0.1";
const YOLO_SPLITS = "train=0.8,val=0.2"; // what the server takes by default
const MAX_SPLITS_LENGTH = 500;

/** What the server is asked for besides the images. */
export interface DatasetChoices {
  kind: string;
  classes: string;
  splits: string;
}

export class DatasetForm {
  readonly element: HTMLElement;
  readonly button: HTMLButtonElement;
  private readonly kind = select("exportFormat", KINDS.map((name) => [name, t(name)]));
  private readonly classes = select("exportClasses", CLASSES.map((name) => [name, t(`classes_${name}`)]));
  private readonly splits = h("input", { type: "text", maxlength: MAX_SPLITS_LENGTH, "aria-label": t("exportSplits"), spellcheck: false, class: "splits" });

  constructor(start: (choices: DatasetChoices) => void) {
    this.button = button("", () => start(this.choices), { "data-export": "dataset" });
    this.kind.addEventListener("change", () => this.showDefault());
    this.splits.addEventListener("keydown", (event) => event.key === "Enter" && !this.button.disabled && start(this.choices));
    this.element = h(
      "details",
      { class: "for-training" },
      h("summary", { text: t("forTraining") }),
      h("p", { class: "hint", text: t("forTrainingHint") }),
      h("div", { class: "buttons" }, this.kind, this.classes, this.splits, this.button),
    );
    this.showDefault();
  }

  /** Say on the button what is exported. */
  describe(what: string): void {
    const kind = t(this.choices.kind as (typeof KINDS)[number]);
    this.button.textContent = t("exportButton", { kind, what });
    this.button.setAttribute("aria-label", t("exportAs", { kind, what }));
  }

  private get choices(): DatasetChoices {
    return { kind: this.kind.value, classes: this.classes.value, splits: this.splits.value.trim() };
  }

  private showDefault(): void {
    this.splits.placeholder = this.kind.value === "yolo" ? YOLO_SPLITS : t("exportUndivided", { example: SPLITS });
  }
}

function select(name: "exportFormat" | "exportClasses", options: [string, string][]): HTMLSelectElement {
  return h("select", { "aria-label": t(name) }, ...options.map(([value, text]) => h("option", { value, text })));
}
