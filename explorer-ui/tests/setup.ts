// The few browser objects that the tested modules use; the tests run in Node without a DOM.

import { vi } from "vitest";

vi.stubGlobal("document", { documentElement: { lang: "en", dataset: {} } });
vi.stubGlobal("navigator", {});
vi.stubGlobal("cancelAnimationFrame", () => undefined);
vi.stubGlobal("matchMedia", () => ({ matches: true })); // reduced motion: the camera moves at once
