// News from the daemon: server-sent events where it has them, a look every half minute else.

import { replace } from "./dom.ts";
import { live } from "./views/shell.ts";

const POLL_MS = 30_000;

/** Calls `changed` whenever there may be new captures or findings. */
export function follow(changed: () => void): void {
  const source = new EventSource("api/v1/events");
  let timer = 0;
  const poll = () => {
    say("every 30 s");
    timer ||= window.setInterval(() => !document.hidden && changed(), POLL_MS);
  };
  source.onopen = () => {
    clearInterval(timer);
    timer = 0;
    say("live");
  };
  source.onerror = () => {
    // The browser tries again by itself unless the daemon said that there is nothing.
    if (source.readyState === EventSource.CLOSED) poll();
    else say("connecting");
  };
  for (const kind of ["capture", "failure", "finding", "lost"]) source.addEventListener(kind, changed);
}

function say(text: string): void {
  replace(live, text);
  live.dataset.state = text;
}
