// The losses of the training.

import type { Lesson } from "./lesson";
import { lossChart } from "./loss-chart";

export const trainingLesson: Lesson = async (body, { server }) => {
  const { history } = (await server.json("/api/learn/training")) as { history: { [name: string]: number[] } };
  body.replaceChildren(lossChart(Object.entries(history).filter(([name, values]) => /loss/.test(name) && values.length)));
};
