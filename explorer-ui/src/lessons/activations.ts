// The same network with ReLU and with ELU.

import { t } from "../i18n/translate";
import { h } from "../page/dom";
import { objectUrl } from "../panels/thumbnails";
import { jobButton } from "./job-button";
import type { Lesson } from "./lesson";
import { lossChart } from "./loss-chart";

export const activationsLesson: Lesson = async (body, context) => {
  const { server } = context;
  const { losses } = (await server.json("/api/learn/activations")) as { losses: { [name: string]: number[] } | null };
  const strip = (name: string, label: string): HTMLElement => {
    const image = h("img", { class: "picture strip-picture", alt: label });
    void objectUrl(server, server.versioned(`/api/learn/activations/${name}`)).then((url) => (image.src = url), () => undefined);
    image.addEventListener("load", () => image.classList.toggle("smooth", image.naturalHeight > image.height));
    return h("figure", {}, h("figcaption", { text: label }), image);
  };
  body.replaceChildren(
    h("p", { text: t("activationsText") }),
    ...(losses
      ? [
          h("div", { class: "scroll", tabindex: 0 }, strip("original", t("original")), strip("relu", "ReLU"), strip("elu", "ELU")),
          lossChart(Object.entries(losses).map(([name, values]) => [name === "relu" ? "ReLU" : "ELU", values])),
        ]
      : [jobButton("activations", "trainBoth", context, () => void activationsLesson(body, context))]),
  );
};
