// The boxes of a flame graph: stacks joined by function, summed up, and put side by side.

import type { Diff } from "./model.ts";

/** A flame graph in parallel arrays; box 0 is the whole, a parent stands before its children. */
export interface Flame {
  /** Index of the function's text, -1 for the whole. */
  name: Int32Array;
  parent: Int32Array;
  depth: Int32Array;
  /** Left edge and width, as shares of the whole. */
  x: Float64Array;
  width: Float64Array;
  before: Float64Array;
  after: Float64Array;
  /** Boxes from each depth on; rows[d] to rows[d + 1] are of depth d, from left to right. */
  rows: Int32Array;
  /** The box of each site's innermost end, -1 for sites that are not shown or held nothing. */
  leaf: Int32Array;
}

export type Direction = "down" | "up";

/**
 * Lays out the sites that `shown` lets through.
 *
 * A box is as wide as the larger of what it held before and after, summed over its leaves, so that
 * what shrank to nothing is still there. `down` starts at the roots of the stacks, `up` at the
 * allocating functions.
 */
export function layOut(diff: Diff, direction: Direction, shown: (site: number) => boolean): Flame {
  const builder = new Builder();
  const sites = diff.table("site");
  const { tree } = diff;
  const path: number[] = [];
  const boxOf = new Int32Array(tree.parent.length).fill(-1); // of a node, where stacks go down
  boxOf[0] = 0;
  const down = (node: number): number => {
    path.length = 0;
    let at = node;
    for (; boxOf[at] < 0; at = tree.parent[at]) path.push(at);
    let box = boxOf[at];
    while (path.length) {
      const next = path.pop()!;
      box = builder.child(box, tree.function[tree.frame[next]]);
      boxOf[next] = box;
    }
    return box;
  };
  const up = (node: number): number => {
    let box = 0;
    for (let at = node; at > 0; at = tree.parent[at]) box = builder.child(box, tree.function[tree.frame[at]]);
    return box;
  };
  const place = direction === "down" ? down : up;
  const leaf = new Int32Array(sites.node.length).fill(-1);
  for (let site = 0; site < sites.node.length; site += 1) {
    if (!shown(site) || !(sites.before_bytes[site] || sites.after_bytes[site])) continue;
    leaf[site] = place(Math.max(sites.node[site], 0));
    builder.add(leaf[site], sites.before_bytes[site], sites.after_bytes[site]);
  }
  return builder.finished(leaf);
}

class Builder {
  private name: number[] = [-1];
  private parent: number[] = [-1];
  private before: number[] = [0];
  private after: number[] = [0];
  private weight: number[] = [0];
  /** Boxes by parent and name, open addressing: a Map of such keys takes five times as long. */
  private slots = new Int32Array(1 << 12).fill(-1);

  child(parent: number, name: number): number {
    const mask = this.slots.length - 1;
    for (let slot = hash(parent, name) & mask; ; slot = (slot + 1) & mask) {
      const box = this.slots[slot];
      if (box < 0) return this.added(parent, name, slot);
      if (this.parent[box] === parent && this.name[box] === name) return box;
    }
  }

  private added(parent: number, name: number, slot: number): number {
    const box = this.name.length;
    this.name.push(name);
    this.parent.push(parent);
    this.before.push(0);
    this.after.push(0);
    this.weight.push(0);
    this.slots[slot] = box;
    if (box * 2 > this.slots.length) this.widen();
    return box;
  }

  private widen(): void {
    const slots = new Int32Array(this.slots.length * 4).fill(-1);
    const mask = slots.length - 1;
    for (let box = 1; box < this.name.length; box += 1) {
      let slot = hash(this.parent[box], this.name[box]) & mask;
      while (slots[slot] >= 0) slot = (slot + 1) & mask;
      slots[slot] = box;
    }
    this.slots = slots;
  }

  add(box: number, before: number, after: number): void {
    this.before[box] += before;
    this.after[box] += after;
    this.weight[box] += Math.max(before, after);
  }

  finished(leaf: Int32Array): Flame {
    const { name, parent, before, after, weight } = this;
    const boxes = name.length;
    for (let box = boxes - 1; box > 0; box -= 1) {
      before[parent[box]] += before[box];
      after[parent[box]] += after[box];
      weight[parent[box]] += weight[box];
    }
    const depth = new Int32Array(boxes);
    for (let box = 1; box < boxes; box += 1) depth[box] = depth[parent[box]] + 1;
    // By depth, then under each parent by weight: the heaviest stands left.
    const { order, rows } = byDepth(depth, parent, weight);
    const place = new Int32Array(boxes);
    for (let at = 0; at < boxes; at += 1) place[order[at]] = at;
    for (let site = 0; site < leaf.length; site += 1) if (leaf[site] >= 0) leaf[site] = place[leaf[site]];
    const flame: Flame = {
      name: taken(new Int32Array(boxes), order, name),
      parent: taken(new Int32Array(boxes), order, parent),
      depth: taken(new Int32Array(boxes), order, depth),
      before: taken(new Float64Array(boxes), order, before),
      after: taken(new Float64Array(boxes), order, after),
      x: new Float64Array(boxes),
      width: new Float64Array(boxes),
      rows,
      leaf,
    };
    for (let at = 1; at < boxes; at += 1) flame.parent[at] = place[flame.parent[at]];
    const whole = weight[0] || 1;
    const free = new Float64Array(boxes); // where the next child of a box begins
    flame.width[0] = 1;
    for (let at = 1; at < boxes; at += 1) {
      const over = flame.parent[at];
      flame.width[at] = weight[order[at]] / whole;
      flame.x[at] = free[over];
      free[at] = flame.x[at];
      free[over] += flame.width[at];
    }
    return flame;
  }
}

/** Fills `into` with what `from` has at the places in `order`. */
function taken<T extends Int32Array | Float64Array>(into: T, order: ArrayLike<number>, from: ArrayLike<number>): T {
  for (let at = 0; at < into.length; at += 1) into[at] = from[order[at]];
  return into;
}

function hash(parent: number, name: number): number {
  const mixed = Math.imul(parent, 0x9e3779b1) ^ Math.imul(name, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Boxes by depth, under each parent the heaviest first; where each depth begins. */
function byDepth(depth: Int32Array, parent: number[], weight: number[]): { order: Int32Array; rows: Int32Array } {
  const boxes = parent.length;
  const first = new Int32Array(boxes + 1); // where the children of a box begin
  for (let box = 1; box < boxes; box += 1) first[parent[box] + 1] += 1;
  for (let box = 0; box < boxes; box += 1) first[box + 1] += first[box];
  const free = first.slice();
  const children = new Int32Array(boxes - 1);
  for (let box = 1; box < boxes; box += 1) children[free[parent[box]]++] = box;
  const order = new Int32Array(boxes);
  const rows = [0];
  for (let at = 0, end = 1; at < boxes; at += 1) {
    const box = order[at];
    if (depth[box] === rows.length) rows.push(at);
    const [from, until] = [first[box], first[box + 1]];
    if (until - from > 1) children.subarray(from, until).sort((a, b) => weight[b] - weight[a] || a - b);
    for (let child = from; child < until; child += 1) order[end++] = children[child];
  }
  return { order, rows: Int32Array.from([...rows, boxes]) };
}

/** The boxes from the whole down to `box`, by the names of their functions. */
export function pathOf(diff: Diff, flame: Flame, box: number): string[] {
  const names: string[] = [];
  for (let at = box; at > 0; at = flame.parent[at]) names.push(diff.text(flame.name[at]));
  return names.reverse();
}

/** The box at the end of a path, 0 where it is not there. */
export function boxAt(diff: Diff, flame: Flame, path: string[]): number {
  let box = 0;
  for (const name of path) {
    const depth = flame.depth[box] + 1;
    let found = 0;
    for (let at = flame.rows[depth]; depth < flame.rows.length - 1 && at < flame.rows[depth + 1]; at += 1) {
      if (flame.parent[at] === box && diff.text(flame.name[at]) === name) found = at;
    }
    if (!found) return 0;
    box = found;
  }
  return box;
}

/** Which boxes lie on a way from the whole to one of these sites. */
export function waysTo(flame: Flame, wanted: (site: number) => boolean): Uint8Array {
  const lit = new Uint8Array(flame.name.length);
  flame.leaf.forEach((leaf, site) => {
    if (leaf < 0 || !wanted(site)) return;
    for (let at = leaf; at >= 0 && !lit[at]; at = flame.parent[at]) lit[at] = 1;
  });
  return lit;
}

/** Whether a site lies under a box. */
export function isUnder(flame: Flame, site: number, box: number): boolean {
  let at = flame.leaf[site];
  while (at > box) at = flame.parent[at];
  return at === box;
}
