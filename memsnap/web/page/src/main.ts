// The page of a daemon: which view the URL names, and news from the daemon.

import { h } from "./dom.ts";
import { session } from "./api.ts";
import { follow } from "./live.ts";
import { route } from "./state.ts";
import { diff } from "./views/diff.ts";
import { finding } from "./views/finding.ts";
import { findings } from "./views/findings.ts";
import { overview } from "./views/overview.ts";
import { tokenForm } from "./views/session.ts";
import { empty, mount, put, setPlace, type View } from "./views/shell.ts";
import { target } from "./views/target.ts";

let current: View | null = null;

function open(): View {
  const { path } = route();
  const [name, id] = path;
  if (!name) return overview();
  if (name === "targets" && /^\d+$/.test(id ?? "")) return target(Number(id));
  if (name === "diff") return diff();
  if (name === "findings" && !id) return findings();
  if (name === "findings" && /^\d+$/.test(id)) return finding(Number(id));
  setPlace(["Not found", ""]);
  return { element: empty("There is no such view", h("p", {}, "The link may be cut off or mistyped."), h("a", { class: "button", href: "#/" }, "All targets")) };
}

function show(): void {
  current?.stop?.();
  current = open();
  put(current.element);
  window.scrollTo(0, 0);
}

/** Nothing is asked of a daemon that wants a token first. */
async function start(): Promise<void> {
  try {
    const { needed, scope } = await session();
    if (needed && !scope) return put(tokenForm(() => void start()));
  } catch {
    // The view says what is wrong with the daemon, and offers to try again.
  }
  window.addEventListener("hashchange", show);
  show();
  follow((target) => current?.refresh?.(target));
}

mount(document.getElementById("app")!);
void start();
