// Big_constant replaces rows of a 40 MB table one by one: the heap stays flat, but the profile
// moves what load allocated to update.
//
//truth:service verdict=steady shape=constant settle=0 ops=10000
//truth:site mark=load function=main.load type=main.row alloc=new size=1024 per_op=-1
//truth:site mark=update function=main.update type=main.row alloc=new size=1024 per_op=1
package main

import "memsnap.test/scenarios/internal/bench"

const rows = 40 << 10

type row struct {
	id   int
	data [1016]byte
}

var table [rows]*row

func load() {
	for i := range table {
		table[i] = &row{id: i} // site: load
	}
	bench.Keep(rows, rows<<10)
}

func update(i int) {
	old := table[i%rows]
	table[i%rows] = &row{id: old.id + rows} // site: update
}

func main() {
	load()
	bench.Main(update)
}
