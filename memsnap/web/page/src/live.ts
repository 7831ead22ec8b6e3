// News from the daemon: server-sent events where it has them, a look every half minute else.

import { replace } from "./dom.ts";
import { live } from "./views/shell.ts";

const POLL_MS = 30_000;
const KINDS = ["capture", "failure", "finding", "lost"];

/** Calls `changed` whenever there may be news: of one target, or of any where it is null. */
export function follow(changed: (target: number | null) => void): void {
  let missed = false; // while nobody looks
  const tell = (target: number | null) => {
    if (document.hidden) missed = true;
    else changed(target);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !missed) return;
    missed = false;
    changed(null);
  });
  let timer = 0;
  let lost = false; // what happened while the connection was away is not told again
  const source = new EventSource("api/v1/events");
  source.onopen = () => {
    clearInterval(timer);
    timer = 0;
    say("live");
    if (lost) tell(null);
    lost = false;
  };
  source.onerror = () => {
    lost = true;
    // The browser tries again by itself unless the daemon said that there is nothing.
    say(source.readyState === EventSource.CLOSED ? "every 30 s" : "connecting");
    if (source.readyState === EventSource.CLOSED) timer ||= window.setInterval(() => tell(null), POLL_MS);
  };
  for (const kind of KINDS) source.addEventListener(kind, (event: MessageEvent<string>) => tell(targetOf(event.data)));
}

function targetOf(data: string): number | null {
  try {
    const { target_id: target } = JSON.parse(data) as { target_id?: number | null };
    return target ?? null;
  } catch {
    return null;
  }
}

function say(text: string): void {
  replace(live, text);
  live.dataset.state = text;
}
