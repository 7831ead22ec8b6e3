// Numbers as the reader's locale writes them, with their units.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const STEP = 1024; // as pprof and `memsnap` print them everywhere

const cache = new Map<number, Intl.NumberFormat>();

function digits(fraction: number): Intl.NumberFormat {
  let found = cache.get(fraction);
  if (!found) {
    found = new Intl.NumberFormat(undefined, { minimumFractionDigits: fraction, maximumFractionDigits: fraction });
    cache.set(fraction, found);
  }
  return found;
}

/** Bytes in three digits at most: 1.52 MB. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "unknown";
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= STEP;
    unit += 1;
  }
  const fraction = unit === 0 ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  return `${value < 0 ? "−" : ""}${digits(fraction).format(size)} ${UNITS[unit]}`;
}

/** Bytes at a tick of an axis, without digits that say nothing: 64 MB. */
export function size(value: number): string {
  const [number, unit] = bytes(value).split(" ");
  return `${number.replace(/[.,]0+$/, "")} ${unit}`;
}

/** A change in bytes, with its sign. */
export function change(value: number | null | undefined): string {
  if (value === null || value === undefined) return "unknown";
  return value > 0 ? `+${bytes(value)}` : bytes(value);
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "unknown" : digits(0).format(value).replace("-", "−");
}

/** `1 site`, `2 sites`. */
export function plural(value: number, word: string, words = `${word}s`): string {
  return `${count(value)} ${value === 1 ? word : words}`;
}

/** A span between two limits; equal ones are one number. */
export function between(low: number, high: number, write: (value: number) => string = bytes): string {
  const [from, to] = [write(low), write(high)];
  return from === to ? from : `${from} to ${to}`;
}

/** Two limits in the unit of the larger one: −3.01 … +1.14 MB. */
export function span(low: number, high: number, signed = false): string {
  const most = Math.max(Math.abs(low), Math.abs(high));
  const unit = bytes(most).split(" ")[1];
  const size = STEP ** UNITS.indexOf(unit);
  const write = (value: number) => {
    const scaled = Math.abs(value) / size;
    const fraction = unit === "B" ? 0 : most / size < 9.995 ? 2 : most / size < 99.95 ? 1 : 0;
    return `${value < 0 ? "−" : signed && value > 0 ? "+" : ""}${digits(fraction).format(scaled)}`;
  };
  return low === high ? `${write(low)} ${unit}` : `${write(low)} … ${write(high)} ${unit}`;
}

/** Bytes per second as what an hour or a day would bring. */
export function rate(bytesPerSecond: number | null): string {
  if (bytesPerSecond === null) return "unknown";
  return `${change(Math.round(bytesPerSecond * 3600))}/h`;
}

/** Seconds in the two largest units: 3 h 12 min. */
export function duration(seconds: number): string {
  const all: [string, number][] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const left = Math.round(Math.abs(seconds));
  if (left < 1) return `${digits(1).format(Math.abs(seconds))} s`;
  const first = all.findIndex(([, size]) => left >= size);
  const [unit, size] = all[first];
  const rest = left % size;
  const next = all[first + 1];
  const second = next && Math.floor(rest / next[1]);
  return `${count(Math.floor(left / size))} ${unit}${second ? ` ${second} ${next[0]}` : ""}`;
}

export function ago(ms: number, now: number): string {
  return now - ms < 1000 ? "now" : `${duration((now - ms) / 1000)} ago`;
}

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function time(ms: number): string {
  return TIME.format(ms);
}

/** The time of day where it is today, else the date as well. */
export function moment(ms: number): string {
  return new Date(ms).toDateString() === new Date().toDateString() ? CLOCK.format(ms) : TIME.format(ms);
}

/** Nanoseconds since 1970 (beyond 2^53, which rounds them by some 100 ns) as milliseconds. */
export function fromNs(ns: number): number {
  return ns / 1e6;
}

/** A finding's clause as a sentence. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** A Go function without its import path: `(*Server).handle` of `shop/http.(*Server).handle`. */
export function shortFunction(name: string): string {
  const bracket = name.indexOf("[");
  const head = bracket < 0 ? name : name.slice(0, bracket);
  const slash = head.lastIndexOf("/");
  return (slash < 0 ? head : head.slice(slash + 1)) + (bracket < 0 ? "" : "[…]");
}

/** A file's last two folders. */
export function shortFile(file: string): string {
  return file.split("/").slice(-2).join("/");
}

/** A Go type without import paths: `*shop.Order` of `*example.com/shop.Order`. */
export function shortType(name: string): string {
  return name.replace(/[\w.~-]+(?:\/[\w.~-]+)*\//g, "");
}
