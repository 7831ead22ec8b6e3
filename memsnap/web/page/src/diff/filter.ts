// `--focus` in the browser, for reports that have no daemon to ask: the same pattern language.

import { shortType } from "../format.ts";

/** Which types a pattern names: alternatives by comma, `!` excludes, `re:` is a regular expression. */
export function typeFilter(pattern: string): (type: string) => boolean {
  const text = pattern.trim();
  if (!text) return () => true;
  if (text.startsWith("re:")) {
    const expression = new RegExp(text.slice(3));
    return (type) => expression.test(type);
  }
  const parts = alternatives(text);
  const barred = parts.filter((part) => part.startsWith("!")).map((part) => one(part.slice(1)));
  const wanted = parts.filter((part) => !part.startsWith("!")).map(one);
  return (type) => !barred.some((bars) => bars(type)) && (!wanted.length || wanted.some((wants) => wants(type)));
}

/** Splits at commas outside of brackets: type arguments have commas of their own. */
function alternatives(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of text) {
    if (letter === "[") depth += 1;
    if (letter === "]") depth -= 1;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter(Boolean);
}

function one(pattern: string): (type: string) => boolean {
  const text = pattern.trim().replace(/^\*/, "").replaceAll("[]byte", "[]uint8").replaceAll("interface {}", "any");
  const source = text.split("*").map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  const expression = new RegExp(`^${source}$`);
  const plain = (type: string) => type.replaceAll("interface {}", "any");
  return (type) => expression.test(plain(type)) || expression.test(plain(shortType(type)));
}
