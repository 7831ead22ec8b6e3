// Big_constant replaces rows of a table of 40 MB (or -rows KB) one by one: the heap stays flat, but
// the profile moves what load allocated to update.
//
//truth:service verdict=steady also=churn shape=constant settle=0 ops=10000 per_s=1000 args=-rows=179200
//truth:site mark=load function=main.load type=main.row alloc=new size=1024 per_op=-1
//truth:site mark=update function=main.update type=main.row alloc=new size=1024 per_op=1
package main

import (
	"flag"

	"memsnap.test/scenarios/internal/bench"
)

var rows = flag.Int("rows", 40<<10, "rows of the table, 1 KB each")

type row struct {
	id   int
	data [1016]byte
}

var table []*row

func load() {
	table = make([]*row, *rows)
	for i := range table {
		table[i] = &row{id: i} // site: load
	}
	bench.Keep(*rows, *rows<<10)
}

func update(i int) {
	at := i % len(table)
	table[at] = &row{id: table[at].id + len(table)} // site: update
}

func main() {
	flag.Parse()
	load()
	bench.Main(update)
}
