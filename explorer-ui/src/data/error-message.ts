// The message of an error for the user.

import { t } from "../i18n/translate";
import { notebookOfPage } from "../widget/notebook";
import { HttpError } from "./server";

export function errorMessage(error: unknown): string {
  if (error instanceof HttpError) return error.status === 401 ? t("noToken") : error.message;
  return t(notebookOfPage() ? "noKernel" : "noServer");
}
