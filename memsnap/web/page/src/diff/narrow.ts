// A diff cut down to some types, for reports: groups keep the sums of their own sites only.

import { Diff, type DiffDocument, type Grouping, type Table } from "./model.ts";

/**
 * Returns the sites and types that `wanted` names; raises an Error that says so where there are none.
 *
 * What a function, line or package holds of these types is not in the document, and sums of limits
 * are no limits: those tables keep only rows whose every site has the same type.
 */
export function narrowed(whole: Diff, wanted: (type: string) => boolean): Diff {
  const hits = whole.strings.map((text) => wanted(text));
  const tables = {} as Record<Grouping, Table>;
  for (const by of Object.keys(whole.document.tables) as Grouping[]) {
    const table = whole.table(by);
    tables[by] = take(table, (row) => table.type[row] >= 0 && hits[table.type[row]]);
  }
  if (!tables.site.node.length) throw new Error("No type of this report matches");
  return new Diff({ ...whole.document, tables } satisfies DiffDocument);
}

function take(table: Table, keeps: (row: number) => boolean): Table {
  const rows = Array.from(table.node.keys()).filter(keeps);
  const entries = Object.entries(table).map(([name, column]) => [name, Array.isArray(column) ? rows.map((row) => column[row]) : column]);
  return Object.fromEntries(entries) as Table;
}
