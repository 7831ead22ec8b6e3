// Builds the page into ../static: app.js, theme.js and app.css for the daemon, report.html for single files.
import { readFile, writeFile, mkdir, copyFile } from "node:fs/promises";
import { build } from "esbuild";

const out = new URL("../static/", import.meta.url);
const here = new URL("./", import.meta.url);
const path = (name, base = here) => new URL(name, base).pathname;

const common = {
  bundle: true,
  minify: true,
  target: ["es2022"],
  legalComments: "eof",
  logLevel: "warning",
};

async function bundle(entry, format) {
  const result = await build({ ...common, entryPoints: [path(entry)], format, write: false, outdir: "x" });
  return result.outputFiles[0].text;
}

await mkdir(out, { recursive: true });
const [app, theme, report, css] = await Promise.all([
  bundle("src/main.ts", "esm"),
  bundle("src/early.ts", "iife"),
  bundle("src/report.ts", "iife"),
  bundle("styles/app.css", undefined),
]);
await writeFile(path("app.js", out), app);
await writeFile(path("theme.js", out), theme);
await writeFile(path("app.css", out), css);
await copyFile(path("index.html"), path("index.html", out));
await copyFile(path("icon.svg"), path("icon.svg", out));
// A script ends at "</script" wherever that stands, even in a string.
const inline = report.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const template = await readFile(path("report.html"), "utf-8");
const icon = Buffer.from(await readFile(path("icon.svg"))).toString("base64");
// Functions, since "$&" and its like mean something in a replacement string.
await writeFile(
  path("report.html", out),
  template
    .replace("{{icon}}", () => icon)
    .replace("{{style}}", () => css)
    .replace("{{script}}", () => inline),
);
