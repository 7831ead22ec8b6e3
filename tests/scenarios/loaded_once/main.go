// Loaded_once reads its tables when the 300th request needs them: 12 MB in a moment, then nothing
// any more.
//
//truth:service verdict=one-time also=steady shape=step settle=301 ops=1000 per_s=16
//truth:site mark=row function=main.load type=main.row alloc=new size=1024 per_op=0 holder=main.table
package main

import "memsnap.test/scenarios/internal/bench"

const (
	firstNeeded = 300
	rows        = 12 << 10
)

type row struct {
	id   int
	data [1016]byte
}

var table []*row

func load() []*row {
	loaded := make([]*row, rows)
	for id := range loaded {
		loaded[id] = &row{id: id} // site: row
	}
	return loaded
}

func main() {
	bench.Main(func(i int) {
		if i == firstNeeded {
			table = load()
			bench.Keep(rows, rows<<10)
		}
	})
}
