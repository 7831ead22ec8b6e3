// All findings, and one of them with its evidence.

import { get, Problem } from "../api.ts";
import { h, replace } from "../dom.ts";
import { fromNs, moment, plural } from "../format.ts";
import { type StoredFinding } from "../findings.ts";
import { href } from "../state.ts";
import { empty, loading, setPlace, trouble, type View } from "./shell.ts";

export function findings(): View {
  setPlace(["Findings", "#/findings"]);
  const body = h("div", {}, loading("Reading the findings…"));
  const stopper = new AbortController();

  async function load(): Promise<void> {
    try {
      const page = await get<{ items: StoredFinding[] }>("api/v1/findings", {}, stopper.signal);
      if (!page.items.length) {
        replace(body, empty("No findings", h("p", {}, "Nothing grows beyond the sampling error so far. A leak shows after some captures.")));
        return;
      }
      replace(
        body,
        h("p", { class: "note" }, plural(page.items.length, "finding")),
        h("ul", { class: "finding-list" }, ...page.items.map((finding) => h("li", { class: "card" }, h("span", { class: `chip severity-${finding.severity}` }, finding.severity), " ", h("a", { href: href(`findings/${finding.id}`) }, finding.title), h("span", { class: "sub" }, ` since ${moment(fromNs(finding.first_seen_ns))} · ${finding.state}`)))),
      );
    } catch (error) {
      if (stopper.signal.aborted) return;
      if (error instanceof Problem && error.status === 404) replace(body, empty("This daemon keeps no findings", h("p", {}, "Open a target and compare two of its captures: the diff begins with its findings."), h("a", { class: "button", href: "#/" }, "Targets")));
      else replace(body, trouble(error, () => void load()));
    }
  }

  void load();
  return { element: h("div", {}, h("div", { class: "toolbar" }, h("h1", {}, "Findings")), body), refresh: () => void load(), stop: () => stopper.abort() };
}
