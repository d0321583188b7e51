// The widget of notebooks: one module beside the page, which index.html does not load.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../src/latentmap/explorer/static",
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/widget/widget.ts", formats: ["es"], fileName: () => "widget.js" },
  },
});
